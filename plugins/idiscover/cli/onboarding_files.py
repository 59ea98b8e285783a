"""Metadata files as they are and as they are to be: shown as a diff, checked as a whole, written all or none."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich.text import Text

from idiscover.errors import ConfigError
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


class _Texts:
    """Metadata as they are to be, as `metadata.loading.Reader`; what is not written yet has no version."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def list(self) -> list[str]:
        return sorted(self._texts)

    def read(self, path: str) -> tuple[str, str]:
        return self._texts[path], "to be written"


class MetadataFolder:
    """A folder of metadata, and what is to be changed in it."""

    def __init__(self, folder: Path) -> None:
        reader = FolderReader(folder)
        self._folder = folder
        paths = [path for path in reader.list() if path.endswith((".yaml", ".yml"))]
        self._standing = {path: reader.read(path)[0] for path in paths}
        self._texts = dict(self._standing)
        self._catalog: Catalog | None = None

    def text(self, path: str) -> str:
        """A file as it is to be; `path` is relative to the folder."""
        return self._texts[path]

    def put(self, files: Mapping[str, str]) -> None:
        """These files are to be so."""
        self._texts.update(files)
        self._catalog = None

    def catalog(self) -> Catalog:
        """All metadata as they are to be.

        Raises:
            CatalogError: something would be wrong with them.
        """
        if self._catalog is None:
            self._catalog = load_catalog(_Texts(self._texts))
        return self._catalog

    @property
    def changed(self) -> list[str]:
        """Paths of the files that are to be other than they are, sorted."""
        return sorted(path for path, text in self._texts.items() if self._standing.get(path) != text)

    def diff(self) -> Text:
        """What is to be changed, as a unified diff in colours."""
        shown = Text()
        for path in self.changed:
            for line in self._diff_of(path):
                style = "bold" if line.startswith(("+++", "---")) else _STYLES.get(line[0], "")
                shown.append(f"{line}\n", style=style)
        return shown

    def write(self) -> list[str]:
        """Write what is to be changed, all of it or, if anything fails, nothing; the paths.

        Raises:
            ConfigError: a file is not as it was when it was read.
            OSError: a file cannot be written.
        """
        changed = self.changed
        self._refuse_edited(changed)
        partial = {path: self._folder / f"{path}.partial" for path in changed}
        replaced: list[str] = []
        try:
            for path, file in partial.items():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(self._texts[path], encoding="utf-8")
            for path, file in partial.items():
                file.replace(self._folder / path)
                replaced.append(path)
        except BaseException:  # Ctrl-C, too
            for path in replaced:
                self._put_back(path)
            raise
        finally:
            for file in partial.values():
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)
        return changed

    def _refuse_edited(self, paths: Iterable[str]) -> None:
        """Somebody may have saved a file while the question was open."""
        for path in paths:
            file = self._folder / path
            now = file.read_text(encoding="utf-8") if file.is_file() else None
            if now != self._standing.get(path):
                raise ConfigError(
                    "a file has changed since it was read", where=str(file), remedy="run it again; nothing was written"
                )

    def _put_back(self, path: str) -> None:
        if path in self._standing:
            (self._folder / path).write_text(self._standing[path], encoding="utf-8")
        else:
            (self._folder / path).unlink()

    def _diff_of(self, path: str) -> Iterator[str]:
        before, after = self._standing.get(path, ""), self._texts[path]
        name = f"metadata/{path}"
        yield from difflib.unified_diff(
            before.splitlines(), after.splitlines(), name if before else "/dev/null", name, lineterm=""
        )
