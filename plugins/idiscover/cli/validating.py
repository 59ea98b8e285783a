"""Checks metadata and contexts, and reports all mistakes at once: as text for people, as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from idiscover.cli.contracting import contract_problems
from idiscover.cli.places import DEFAULT_REGION, metadata_reader, read_context_text, read_entitlements
from idiscover.errors import DETAILS, ConfigError
from idiscover.metadata.context_checks import CONTEXT_CHECKS, hashes_have_a_key
from idiscover.metadata.entitlement import entitlement_path
from idiscover.metadata.excerpts import excerpt
from idiscover.metadata.loading import CatalogError, Reader, load_catalog, parse_context
from idiscover.metadata.models import Catalog
from idiscover.metadata.paths import is_metadata
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.validation import rules
from idiscover.metadata.yaml_text import Place

DOCUMENT_VERSION = 1

Loaded = TypeVar("Loaded")

# Style and text → text; styles are those of `verbs/validate.py`.
Paint = Callable[[str, str], str]


@dataclass(frozen=True)
class Mistake:
    """One mistake, its file named as the caller named the place."""

    problem: ConfigError
    place: Place
    excerpt: Sequence[str]

    def text(self, paint: Paint) -> str:
        """The message of an `IdiscoverError`, with the line that it speaks of below its place."""
        head, *details = str(self.problem).split("\n")
        shown = [paint("mistake", head)]
        for detail in details:
            shown.append(detail)
            if detail.startswith("  where: "):
                shown.extend(paint("excerpt", line) for line in self.excerpt)
        return "\n".join(shown)

    def document(self) -> dict[str, object]:
        """As JSON has it: every key in each mistake, null where there is nothing to say."""
        told = {name: getattr(self.problem, name) for name in DETAILS if name != "where"}
        return {
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "what": self.problem.what,
            **{name: value if value is None else str(value) for name, value in told.items()},
            "excerpt": list(self.excerpt),
        }


@dataclass(frozen=True)
class ValidationReport:
    """What was looked at, what was checked, and what is wrong."""

    files: Mapping[str, int]  # kind of file → how many
    checked: Sequence[str]  # a sentence each
    with_sql: bool  # whether statements were compared with the repository's sql/
    mistakes: Sequence[Mistake]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.mistakes

    def text(self, paint: Paint = lambda _style, text: text) -> str:
        """For people: each mistake, then one line that sums up."""
        counted = ", ".join(
            _count(count, kind.replace("_", " ").removesuffix("s")) for kind, count in self.files.items()
        )
        total = _count(sum(self.files.values()), "file")
        if self.is_sound:
            return (
                f"{paint('sound', 'sound')}: {total} ({counted})\n"
                f"checked: YAML, keys and values, {_count(len(self.checked), 'rule')} between them (--json lists all)"
                f"{'' if self.with_sql else '; not checked: statements against sql/, which is not here'}"
            )
        wrong = len({mistake.place.file for mistake in self.mistakes})
        told = f"{_count(len(self.mistakes), 'mistake')} in {_count(wrong, 'file')}"
        return "\n\n".join(
            [*(mistake.text(paint) for mistake in self.mistakes), f"{told}; looked at {total} ({counted})"]
        )

    def json(self) -> str:
        """For machines; docs/metadata.md describes it."""
        document = {
            "version": DOCUMENT_VERSION,
            "sound": self.is_sound,
            "files": dict(self.files),
            "checked": list(self.checked),
            "mistakes": [mistake.document() for mistake in self.mistakes],
        }
        return json.dumps(document, indent=2, ensure_ascii=False)


def validate(metadata: str, contexts: Sequence[str], sql_root: Path) -> ValidationReport:
    """Looks at everything and reports all that is wrong.

    Args:
        metadata: a folder, or an `s3://` prefix.
        contexts: files, or s3://bucket/key.
        sql_root: the repository's `sql/`; where there is none, statements are not compared with it.

    Raises:
        ConfigError: a place is not there or holds no metadata; then nothing was checked.
    """
    # before any region is known; S3 answers for a bucket of any region
    texts = _Texts(metadata_reader(metadata, DEFAULT_REGION))
    paths = [path for path in texts.list() if is_metadata(path)]
    if not paths:
        raise ConfigError(
            "no metadata",
            where=metadata,
            expected="objects/*.yaml and tables/*.yaml in it",
            remedy="name another place",
        )
    sql = SqlInventory.read(sql_root)
    catalog, problems = _outcome(lambda: load_catalog(texts, sql))
    mistakes = [
        _mistake(problem, f"{metadata.rstrip('/')}/", texts.of(Place.parse(problem.where or "").file))
        for problem in problems
    ]
    for place in contexts:
        mistakes += _mistakes_of_context(place, catalog)
    checked = [*rules(with_sql=sql is not None), *_rules_of_contexts(contexts)]
    if sql is not None:
        checked.append("The views of dm keep their contract.")
        broken = contract_problems(catalog, sql_root) if catalog is not None else ()
        mistakes += [_mistake(problem, "", "") for problem in broken]
    for place in contexts:
        mistakes += _mistakes_of_entitlements(place)
    return ValidationReport(_counted(paths, contexts), checked, sql is not None, mistakes)


def _mistakes_of_context(place: str, catalog: Catalog | None) -> list[Mistake]:
    text = read_context_text(place)
    _, problems = _outcome(lambda: parse_context(text, place, is_named_so=True, catalog=catalog))
    return [_mistake(problem, "", text) for problem in problems]


def _mistakes_of_entitlements(context_place: str) -> list[Mistake]:
    path = Path(entitlement_path(context_place))
    if not path.is_file():  # nobody is entitled, or the context lies elsewhere
        return []
    _, problems = _outcome(lambda: read_entitlements(Path(), str(path)))
    return [_mistake(problem, "", "") for problem in problems]


def _outcome(load: Callable[[], Loaded]) -> tuple[Loaded | None, Sequence[ConfigError]]:
    """What was loaded, or what is wrong with it."""
    try:
        return load(), ()
    except CatalogError as error:
        return None, error.problems
    except ConfigError as error:
        return None, (error,)


def _mistake(problem: ConfigError, prefix: str, text: str) -> Mistake:
    where = f"{prefix}{problem.where or ''}"
    place = Place.parse(where)
    return Mistake(problem.at(where), place, excerpt(text, place))


def _rules_of_contexts(contexts: Sequence[str]) -> list[str]:
    checks = (*CONTEXT_CHECKS, hashes_have_a_key) if contexts else ()
    return [(check.__doc__ or "").strip().splitlines()[0] for check in checks]


def _counted(paths: Sequence[str], contexts: Sequence[str]) -> dict[str, int]:
    def within(folder: str) -> int:
        return sum(path.startswith(f"{folder}/") for path in paths)

    known = {"objects": within("objects"), "delta_filters": within("delta_filter"), "tables": within("tables")}
    if subjects := within("subjects"):
        known["subjects"] = subjects
    others = len(paths) - sum(known.values())
    return {**known, "contexts": len(contexts), **({"others": others} if others else {})}


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


class _Texts:
    """A reader that remembers what it read, for the excerpts."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._read = reader, dict[str, tuple[str, str]]()

    def list(self) -> list[str]:
        """Paths of all files."""
        return self._reader.list()

    def read(self, path: str) -> tuple[str, str]:
        """Text and version of one of them."""
        if path not in self._read:
            self._read[path] = self._reader.read(path)
        return self._read[path]

    def of(self, path: str) -> str:
        """The text of a file that was read; empty for one that could not be."""
        return self._read.get(path, ("", ""))[0]
