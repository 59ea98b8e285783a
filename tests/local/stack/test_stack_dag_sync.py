"""The mirror of the DAG bucket: plans before stubs, deletions last, only what changed."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.stack import dag_sync
from local.stack.dag_sync import WHOLE_PASS_EVERY, Mirror, synchronise


class SmallS3:
    """list_objects_v2 in pages of two, and get_object; notes the keys in the order they were fetched."""

    def __init__(self, objects: dict[str, str]) -> None:
        self.objects = objects
        self.fetched: list[str] = []

    def get_paginator(self, name: str) -> SmallS3:
        """The client is its own paginator."""
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        """Pages as S3 gives them: no Contents where there is nothing."""
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        if not keys:
            yield {}
        for start in range(0, len(keys), 2):
            yield {"Contents": [{"Key": key, "ETag": etag(self.objects[key])} for key in keys[start : start + 2]]}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        """One object's body."""
        self.fetched.append(Key)
        return {"Body": io.BytesIO(self.objects[Key].encode())}


def etag(text: str) -> str:
    """What S3 says of a small object."""
    return f'"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"'


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A DAG folder with a blank in its path."""
    folder = tmp_path / "the dags"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Relative path → text of all files."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_plans_come_before_the_stubs_that_read_them(target: Path) -> None:
    names = ("a.py", "a.json", "b.py", "b.json", "z.json")
    s3 = SmallS3({f"dags/generated/{name}": name for name in names})
    assert synchronise(s3, "bucket", target, {}) == 5
    assert contents(target) == {f"generated/{name}": name for name in names}
    kinds = [Path(key).suffix for key in s3.fetched]
    assert kinds == [".json", ".json", ".json", ".py", ".py"]


def test_only_what_changed_is_fetched_again(target: Path) -> None:
    s3 = SmallS3({"dags/generated/a.py": "1", "dags/generated/a.json": "1"})
    known: dict[str, str] = {}
    synchronise(s3, "bucket", target, known)
    s3.fetched.clear()
    assert synchronise(s3, "bucket", target, known) == 0
    assert s3.fetched == []
    s3.objects["dags/generated/a.json"] = "2"
    assert synchronise(s3, "bucket", target, known) == 1
    assert s3.fetched == ["dags/generated/a.json"]
    assert contents(target)["generated/a.json"] == "2"


def test_what_left_the_bucket_leaves_the_folder_and_may_come_back(target: Path) -> None:
    s3 = SmallS3({"dags/generated/a.py": "1", "dags/generated/b.py": "1"})
    known: dict[str, str] = {}
    synchronise(s3, "bucket", target, known)
    text = s3.objects.pop("dags/generated/a.py")
    assert synchronise(s3, "bucket", target, known) == 1
    assert contents(target) == {"generated/b.py": "1"}
    s3.objects["dags/generated/a.py"] = text
    assert synchronise(s3, "bucket", target, known) == 1
    assert set(contents(target)) == {"generated/a.py", "generated/b.py"}


def test_a_file_lost_in_the_folder_is_fetched_again(target: Path) -> None:
    s3 = SmallS3({"dags/generated/a.py": "1"})
    known: dict[str, str] = {}
    synchronise(s3, "bucket", target, known)
    (target / "generated" / "a.py").unlink()
    assert synchronise(s3, "bucket", target, known) == 1
    assert contents(target) == {"generated/a.py": "1"}


def test_an_empty_bucket_empties_the_folder_but_for_what_airflow_keeps_there(target: Path) -> None:
    (target / "generated" / "__pycache__").mkdir(parents=True)
    (target / "generated" / "__pycache__" / "a.pyc").write_text("x")
    (target / "generated" / "old.py").write_text("x")
    assert synchronise(SmallS3({}), "bucket", target, {}) == 1
    assert contents(target) == {"generated/__pycache__/a.pyc": "x"}


def test_a_stub_whose_plan_alone_changed_is_parsed_anew(target: Path) -> None:
    """Airflow looks at once at what is newer than its last look."""
    s3 = SmallS3({"dags/generated/a.py": "1", "dags/generated/a.json": "1", "dags/generated/b.py": "1"})
    known: dict[str, str] = {}
    synchronise(s3, "bucket", target, known)
    stubs = {name: target / "generated" / name for name in ("a.py", "b.py")}
    for path in stubs.values():
        os.utime(path, (1, 1))
    s3.objects["dags/generated/a.json"] = "2"
    assert synchronise(s3, "bucket", target, known) == 1
    assert stubs["a.py"].stat().st_mtime > 1
    assert stubs["b.py"].stat().st_mtime == 1


def test_where_nothing_is_new_the_bucket_is_not_listed_but_once_in_a_while(target: Path) -> None:
    s3, told = SmallS3({"dags/generated/a.py": "1"}), ["x"]
    mirror = Mirror(s3, "bucket", target, lambda: told[0])
    assert mirror.go() == 1
    s3.objects["dags/generated/a.py"] = "2"
    assert mirror.go() == 0, "it was not told of"
    told[0] = "y"
    assert mirror.go() == 1
    (target / "generated" / "a.py").unlink()
    assert sum(mirror.go() for _ in range(WHOLE_PASS_EVERY)) == 1, "whatever happens to the files here"


def test_a_pass_that_failed_is_made_again_though_nothing_is_new(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = SmallS3({"dags/generated/a.py": "1"})
    mirror = Mirror(s3, "bucket", target, lambda: "x")
    with monkeypatch.context() as patch:
        patch.setattr(s3, "get_object", lambda Bucket, Key: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            mirror.go()
    assert mirror.go() == 1 and contents(target) == {"generated/a.py": "1"}


def test_where_nobody_tells_whether_anything_is_new_each_pass_lists(target: Path) -> None:
    s3 = SmallS3({"dags/generated/a.py": "1"})
    mirror = Mirror(s3, "bucket", target, lambda: None)
    mirror.go()
    s3.objects["dags/generated/a.py"] = "2"
    assert mirror.go() == 1


def test_an_answer_that_breaks_off_is_no_fingerprint_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is stopped, or killed, while it answers."""

    class BrokenOff(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise http.client.IncompleteRead(b'{"finger', 40)

    monkeypatch.setattr(dag_sync._LOCAL, "open", lambda *_, **__: BrokenOff())
    assert dag_sync._fingerprint("http://127.0.0.1:1", "bucket") is None
