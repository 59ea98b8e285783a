"""Between two tasks: zips are not read again for nothing, and garbage is looked for where there may be some."""

from __future__ import annotations

import gc
import importlib
import sys
import weakref
import zipfile
import zipimport
from pathlib import Path

import pytest

from emr_jobs.between_tasks import forget_archives, freeze_objects


def test_a_zip_is_not_read_again_and_still_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "library.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("first_of_the_archive.py", "")
        out.writestr("second_of_the_archive.py", "NAME = 'second'")
    monkeypatch.syspath_prepend(str(archive))
    importlib.import_module("first_of_the_archive")
    read: list[str] = []
    whole = zipimport._read_directory
    monkeypatch.setattr(zipimport, "_read_directory", lambda path: read.append(path) or whole(path))
    importlib.invalidate_caches()
    assert str(archive) in read
    read.clear()
    forget_archives()
    importlib.invalidate_caches()
    assert read == []
    assert importlib.import_module("second_of_the_archive").NAME == "second"
    for name in ("first_of_the_archive", "second_of_the_archive"):
        del sys.modules[name]


class Node:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_imported_is_not_looked_at_again_and_later_garbage_is_still_found() -> None:
    gc.unfreeze()
    try:
        freeze_objects()
        frozen = gc.get_freeze_count()
        assert frozen > 10_000 and len(gc.get_objects()) < frozen / 10
        node = weakref.ref(Node())
        freeze_objects()
        assert gc.get_freeze_count() <= frozen, "once; what was frozen may go all the same, by its last reference"
        gc.collect()
        assert node() is None
    finally:
        gc.unfreeze()
