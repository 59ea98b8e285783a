"""Zips on Python's path: not read again for nothing, and still imported from."""

from __future__ import annotations

import importlib
import sys
import zipfile
import zipimport
from pathlib import Path

import pytest

from emr_jobs.archives import forget_archives


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
