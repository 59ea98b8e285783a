"""What the verbs for analysts share: files that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from idiscover.cli.analysts import write_text
from idiscover.errors import ConfigError


def test_a_file_is_written_over_whole_with_its_folders(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "report.html"
    write_text(file, "ä")
    write_text(file, "日本")
    assert file.read_text(encoding="utf-8") == "日本" and list(file.parent.iterdir()) == [file]


def test_what_fails_leaves_the_old_file_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.html"
    file.write_text("the old one", encoding="utf-8")

    def full(self: Path, text: str, encoding: str) -> int:
        self.write_bytes(text.encode(encoding)[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigError, match=r"cannot be written(.|\n)*No space left"):
        write_text(file, "the new one")
    assert file.read_bytes() == b"the old one" and list(tmp_path.iterdir()) == [file]


def test_a_folder_or_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        write_text(tmp_path, "x")
    (tmp_path / "f").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_text(tmp_path / "f" / "report.html", "x")
    write_text(Path("/dev/null"), "x")
