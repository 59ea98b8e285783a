"""Metadata for the plan of one object or table: a mistake elsewhere is told, and does not keep it from being made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from idiscover.cli.planning.subject import find_subject
from idiscover.errors import ConfigError
from idiscover.metadata.loading import CatalogError, Reader, file_of, load_catalog
from idiscover.metadata.models import Catalog
from idiscover.metadata.paths import delta_filter_path, object_path, table_path


@dataclass(frozen=True)
class ReadForPlan:
    """The catalog that a plan is made of. `left_out`: files with mistakes and what rests on them; `mistake`: these."""

    catalog: Catalog
    left_out: tuple[str, ...] = ()
    mistake: CatalogError | None = None


class _Part:
    """The files of a reader without some of them; each is read once."""

    def __init__(self, reader: Reader) -> None:
        self.left_out: set[str] = set()
        self._paths = reader.list()
        self.read = cache(reader.read)

    def list(self) -> list[str]:
        """Paths of those that are left."""
        return [path for path in self._paths if path not in self.left_out]


def read_for_plan(reader: Reader, name: str) -> ReadForPlan:
    """All metadata; where some are wrong, those without mistakes, if the subject and what it rests on are among them.

    Args:
        reader: of the files.
        name: the object or table that is to be planned.

    Raises:
        CatalogError: a file of the subject, or one that it rests on, has a mistake; it lists those of all files.
        ConfigError: there is no such object or table.
    """
    part = _Part(reader)
    try:
        return ReadForPlan(load_catalog(part))
    except CatalogError as error:
        mistake = error
    catalog = _without_mistakes(part, mistake)
    try:
        subject = find_subject(catalog, name)
    except ConfigError:
        raise mistake from None
    own = {table_path(table) for table in subject.tables}
    if subject.kind == "object":
        own = {object_path(subject.name), delta_filter_path(subject.name), table_path(f"itg.{subject.name}")}
    if own & part.left_out:
        raise mistake
    return ReadForPlan(catalog, tuple(sorted(part.left_out)), mistake)


def _without_mistakes(part: _Part, mistake: CatalogError) -> Catalog:
    """Leaves files with mistakes out, then those that miss them, until nothing is wrong with what is left."""
    problems = mistake.problems
    while True:
        faulty = {path for path in map(file_of, problems) if path in part.list()}
        if not faulty:  # it concerns no file
            raise mistake
        part.left_out |= {str(path) for path in faulty}
        try:
            return load_catalog(part)
        except CatalogError as error:
            problems = error.problems
