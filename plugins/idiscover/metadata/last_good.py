"""From edited metadata to metadata that are sound: a faulty edit is put back to what was published last.

Pure: it works on contents and versions, wherever they lie. An edit is a file that was changed, added or deleted since
it was last published.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from idiscover.errors import ConfigError
from idiscover.metadata.loading import CatalogError, file_of, load_catalog
from idiscover.metadata.models import Catalog


@dataclass(frozen=True)
class MetadataFile:
    """One version of a metadata file. A deletion has a version too, and no content."""

    content: bytes | None
    version: str
    edited_at_utc: datetime | None = None


@dataclass(frozen=True)
class RefusedEdit:
    """An edit that is not published, and what is wrong with it.

    `edit` is the version that is refused; `good` that which stays in force, None for a file that was never published.
    """

    path: str
    edit: MetadataFile
    good: MetadataFile | None
    problems: tuple[ConfigError, ...]

    @property
    def is_deletion(self) -> bool:
        """Whether the file was deleted, rather than written."""
        return self.edit.content is None


# The catalog with edits, and the paths of the edits in it → what is wrong with edits beside faults of the metadata.
EditCheck = Callable[[Catalog, Collection[str]], list[ConfigError]]


@dataclass(frozen=True)
class SoundMetadata:
    """Metadata without a fault: the catalog, the files it was read from, and the edits that are not in it."""

    catalog: Catalog
    files: Mapping[str, MetadataFile]
    refused: tuple[RefusedEdit, ...]


class ContentReader:
    """Contents in memory, as `metadata.loading.Reader`."""

    def __init__(self, files: Mapping[str, MetadataFile]) -> None:
        self._files = files

    def list(self) -> list[str]:
        """Paths of the files that are not deleted, sorted."""
        return sorted(path for path, file in self._files.items() if file.content is not None)

    def read(self, path: str) -> tuple[str, str]:
        """Text and version of one file.

        Raises:
            ConfigError: it is not UTF-8.
        """
        file = self._files[path]
        try:
            return (file.content or b"").decode("utf-8"), file.version
        except UnicodeDecodeError as error:
            # from None: the cause would quote the whole file
            got = f"byte {error.start} is not UTF-8"
            raise ConfigError("the file is not UTF-8", where=path, got=got, remedy="save it as UTF-8") from None


def soundest(
    current: Mapping[str, MetadataFile], good: Mapping[str, MetadataFile], also: EditCheck | None = None
) -> SoundMetadata:
    """The metadata with every edit that can be published.

    No edit that is refused could be taken in by itself, nor together with the other refused edits of its object.

    Args:
        current: path → file as it is now. A path of `good` that is missing here, or has no content, was deleted.
        good: path → file as it was last published.
        also: what else may be wrong with edits; asked once the metadata with them have no fault.

    Raises:
        CatalogError: `good` itself is not sound, by the rules of this version of the code.
    """
    search = _Search(current, good, also)
    while problems := search.problems():
        search.refuse(search.to_blame(problems))
    search.take_back()
    return search.result()


class _Search:
    """A choice between edit and last good version for each edited path; begins with all edits."""

    def __init__(
        self, current: Mapping[str, MetadataFile], good: Mapping[str, MetadataFile], also: EditCheck | None
    ) -> None:
        gone = {path: MetadataFile(None, "") for path in good if path not in current}
        self._current = {**current, **gone}
        self._good, self._also = good, also
        self._edits = {path for path, file in self._current.items() if file.content != _content(good.get(path))}
        self._refused: dict[str, list[ConfigError]] = {}
        self._sound: tuple[frozenset[str], Catalog] | None = None  # the refused edits, and what was read without them

    def problems(self, but: Iterable[str] = (), also: Iterable[str] = ()) -> list[ConfigError]:
        """What is wrong with the choice as it is now; `but` with these refused too, `also` with these taken in."""
        refused = frozenset({*self._refused, *but} - {*also})
        try:
            catalog = load_catalog(ContentReader(self._files(refused)))
        except CatalogError as error:
            return list(error.problems)
        edits = self._edits - refused
        also = self._also(catalog, edits) if self._also is not None and edits else []
        found = [problem for problem in also if file_of(problem) in edits]
        if not found:
            self._sound = (refused, catalog)
        return found

    def to_blame(self, problems: list[ConfigError]) -> dict[str, list[ConfigError]]:
        """Edits to refuse because of `problems`: at least one.

        Raises:
            CatalogError: no edit is left to blame.
        """
        open_edits = sorted(self._edits - self._refused.keys())
        if not open_edits:
            raise CatalogError(problems)
        blamed: dict[str, list[ConfigError]] = {}
        for problem in problems:
            path = file_of(problem)
            if path in open_edits:
                blamed.setdefault(str(path), []).append(problem)
        # where every faulty file is as it was published, another edit has taken away what it relies on
        return blamed or self._behind(problems, open_edits)

    def _behind(self, problems: list[ConfigError], open_edits: list[str]) -> dict[str, list[ConfigError]]:
        """The one edit without which most of the problems are gone; all of them, if none helps alone."""
        left = {path: {str(problem) for problem in self.problems(but=[path])} for path in open_edits}
        solved = {path: [problem for problem in problems if str(problem) not in left[path]] for path in open_edits}
        best = max(open_edits, key=lambda path: len(solved[path]))
        return {best: solved[best]} if solved[best] else dict.fromkeys(open_edits, problems)

    def refuse(self, blamed: Mapping[str, list[ConfigError]]) -> None:
        """Puts these edits back to what was published."""
        self._refused.update(blamed)

    def take_back(self) -> None:
        """Takes in what was refused only for the company it was in.

        One pass tries each edit once. There is another only after one that took something in, which another edit may
        have waited for: as many as edits rest on one another, and not one per edit.
        """
        while self._take_in(self._singles()) or self._take_in(self._groups()):
            pass

    def _take_in(self, groups: Iterable[list[str]]) -> bool:
        """Takes in each group that is sound with what is chosen by then; whether there was one."""
        refused_before = len(self._refused)
        for group in groups:
            if not self.problems(also=group):
                for path in group:
                    del self._refused[path]
        return len(self._refused) < refused_before

    def _singles(self) -> list[list[str]]:
        """Each refused edit by itself: what others rest on first."""
        return [[path] for path in sorted(self._refused, key=lambda path: (_rank(path), path))]

    def _groups(self) -> list[list[str]]:
        """The refused edits of an object together, where there are several."""
        by_name: dict[str, list[str]] = {}
        for path in sorted(self._refused):
            by_name.setdefault(_name(path), []).append(path)
        return [group for _, group in sorted(by_name.items()) if len(group) > 1]

    def result(self) -> SoundMetadata:
        """The choice as it is now, which is sound."""
        files = {path: file for path, file in self._files(self._refused).items() if file.content is not None}
        refused = tuple(
            RefusedEdit(path, self._current[path], self._good.get(path), tuple(problems))
            for path, problems in sorted(self._refused.items())
        )
        if self._sound is None or self._sound[0] != self._refused.keys():
            self._sound = (frozenset(self._refused), load_catalog(ContentReader(files)))
        return SoundMetadata(self._sound[1], files, refused)

    def _files(self, refused: Iterable[str]) -> dict[str, MetadataFile]:
        chosen = dict(self._current)
        for path in refused:
            chosen[path] = self._good.get(path) or MetadataFile(None, "")
        return chosen


def _content(file: MetadataFile | None) -> bytes | None:
    return None if file is None else file.content


def _rank(path: str) -> int:
    """Objects, their delta filters, tables of itg, tables of dm: later ones rest on earlier ones."""
    starts = ("objects/", "delta_filter/", "tables/itg.", "tables/", "subjects/")
    return next((rank for rank, start in enumerate(starts) if path.startswith(start)), len(starts))


def _name(path: str) -> str:
    """The object or table that a file is of, without schema: `tables/itg.lab.yaml` is of `lab`."""
    return path.rpartition("/")[2].removesuffix(".yaml").rpartition(".")[2]
