"""Reads metadata and context files into models, and says all that is wrong with them at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

from pydantic import ValidationError

from idiscover.errors import ConfigError
from idiscover.metadata.context_checks import context_problems
from idiscover.metadata.explain import explain, with_stand_ins
from idiscover.metadata.models import Catalog, Context, DeltaFilter, Model, ObjectSpec, TableSpec
from idiscover.metadata.paths import is_metadata
from idiscover.metadata.spelling import nearest
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.subjects import SubjectSpec
from idiscover.metadata.validation import problems as cross_file_problems
from idiscover.metadata.yaml_text import Document, Place, read_yaml

ModelT = TypeVar("ModelT", bound=Model)

OBJECTS, DELTA_FILTERS, TABLES, SUBJECTS = "objects", "delta_filter", "tables", "subjects"
_MODELS: Mapping[str, type[Model]] = {
    OBJECTS: ObjectSpec,
    DELTA_FILTERS: DeltaFilter,
    TABLES: TableSpec,
    SUBJECTS: SubjectSpec,
}
_MISPLACED = "the file lies where no metadata belongs"
_ROUNDS = 3  # of a file's validation: what is put right uncovers more at most twice
_NAMED_BY = {OBJECTS: "object", DELTA_FILTERS: "object", TABLES: "table", SUBJECTS: "subject"}


class CatalogError(ConfigError):
    """Everything that is wrong with the metadata or a context; each `problems` entry is a fault of its own."""

    def __init__(self, problems: Iterable[ConfigError], of: str = "metadata") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"the {of} has {count} problem{'s' if count != 1 else ''}"
        super().__init__("\n\n".join([head, *(str(problem) for problem in self.problems)]))


def _order(problem: ConfigError) -> tuple[str, int, int]:
    """Problems stand in the order of files and lines."""
    return Place.parse(problem.where or "").order


def file_of(problem: ConfigError) -> str | None:
    """The file that a problem was found in, as its reader names it (`objects/lab.yaml`); None if it concerns none."""
    return Place.parse(problem.where).file if problem.where else None


class Reader(Protocol):
    """Where metadata lies: a folder, or a bucket's prefix."""

    def list(self) -> list[str]:
        """Paths of all files, relative to `metadata/`, with `/`."""

    def read(self, path: str) -> tuple[str, str]:
        """Text of a file, and the version of that text."""


class FolderReader:
    """Metadata in a folder; a file's version is the hash of its content."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self) -> list[str]:
        """Paths of all files below the folder, sorted."""
        return sorted(path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())

    def read(self, path: str) -> tuple[str, str]:
        """Text and `sha256:<hex>` of a file.

        Raises:
            ConfigError: the file is not UTF-8.
        """
        content = (self._root / path).read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            place = f"{path}:{before.count(10) + 1}:{error.start - before.rfind(10)}"
            got = f"byte {content[error.start]:#04x}"
            raise ConfigError("the file is not UTF-8", where=place, got=got, remedy="save it as UTF-8") from error
        return text, f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class _Files:
    """What reading has found so far, by path."""

    paths: list[str]
    misplaced: set[str] = field(default_factory=set)  # where files should lie that lie elsewhere
    models: dict[str, Model] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    def of(self, kind: type[ModelT]) -> list[ModelT]:
        """All models of one kind, in the order of their paths."""
        return [model for _, model in sorted(self.models.items()) if isinstance(model, kind)]


def load_catalog(reader: Reader, sql: SqlInventory | None = None) -> Catalog:
    """Read and check all metadata.

    Args:
        reader: of the files.
        sql: what the repository's `sql/` holds, where it is at hand; then what statements name has to be in it.

    Raises:
        CatalogError: something is wrong; it lists every problem of every file with file, line and column.
    """
    files = _Files(paths=[path for path in sorted(reader.list()) if is_metadata(path)])
    for path in files.paths:
        _read(path, reader, files)
    catalog = Catalog(
        objects={spec.object: spec for spec in files.of(ObjectSpec)},
        delta_filters={spec.object: spec for spec in files.of(DeltaFilter)},
        tables={spec.table: spec for spec in files.of(TableSpec)},
        subjects={spec.subject: spec for spec in files.of(SubjectSpec)},
        versions=dict(sorted(files.versions.items())),
    )
    unread = {path for path in files.paths if path not in files.models} | files.misplaced
    found = files.problems + [_placed(problem, files) for problem in cross_file_problems(catalog, unread, sql)]
    if found:
        raise CatalogError(sorted(found, key=_order))
    return catalog


def parse_table(text: str, where: str) -> TableSpec:
    """One table file, as a run reads it anew.

    Raises:
        CatalogError: it is not a valid table file.
    """
    return _sound(*_parse(TableSpec, read_yaml(text, where)))


def parse_object(text: str, where: str) -> ObjectSpec:
    """One object's file, by itself: what spans several files is not looked at.

    Raises:
        CatalogError: it is not a valid object's file.
    """
    return _sound(*_parse(ObjectSpec, read_yaml(text, where)))


def parse_context(text: str, where: str, is_named_so: bool = False, catalog: Catalog | None = None) -> Context:
    """The settings of one environment.

    Args:
        text: of the file.
        where: file or S3 object, for messages.
        is_named_so: whether the file has to have its environment's name, as those of context/ have.
        catalog: metadata that the context has to have all settings for.

    Raises:
        CatalogError: they are not valid.
    """
    document = read_yaml(text, where)
    context, problems = _parse(Context, document)
    if context is not None:
        problems = [*problems, *(_at_its_key(problem, document) for problem in context_problems(context, catalog))]
        if is_named_so:
            problems += _misnamed(where.rpartition("/")[2], "environment", context.environment, document)
    return _sound(context, problems, "context")


def _sound(model: ModelT | None, problems: list[ConfigError], of: str = "metadata") -> ModelT:
    if model is None or problems:
        raise CatalogError(sorted(problems, key=_order), of)
    return model


def _parse(kind: type[ModelT], document: Document) -> tuple[ModelT | None, list[ConfigError]]:
    """The model of a file and what is wrong with it.

    Where something can stand in for all that is wrong, there is a model all the same; None where nobody can tell.
    """
    data, problems, model = document.data, list(document.problems), None
    for _ in range(_ROUNDS):
        try:
            model = _validate(kind, data)
            break
        except ValidationError as error:
            faults = explain(error, kind, data, document)
        told = {str(problem) for problem in problems}
        problems += [fault.problem(document) for fault in faults if str(fault.problem(document)) not in told]
        data = with_stand_ins(data, faults)
    return model, sorted(problems, key=_order)


@lru_cache(maxsize=256)  # a deploy, and whoever looks for the edit to refuse, read the same files many times
def _parsed(kind: type[Model], text: str, path: str) -> tuple[Document, Model | None, tuple[ConfigError, ...]]:
    """A file's document, its model and what is wrong with it; whoever gets them changes none of them.

    Raises:
        ConfigError: it is not YAML, or more than one document.
    """
    document = read_yaml(text, path)
    model, problems = _parse(kind, document)
    return document, model, tuple(problems)


def _validate(kind: type[ModelT], data: object) -> ModelT:
    """Strict as JSON is: a time is a text and an enum's member its value, but "yes" is no boolean and "5" no number."""
    return kind.model_validate_json(json.dumps(data), strict=True)


def _read(path: str, reader: Reader, files: _Files) -> None:
    """Read one file into `files`: its model, or its problems, or both."""
    folder, _, name = path.rpartition("/")
    try:
        text, files.versions[path] = _text(path, reader)
        kind = _kind(path, folder)
        files.documents[path], model, problems = _parsed(kind, text, path)
        document = files.documents[path]
        files.problems.extend(problems)
        if model is not None:
            key = _NAMED_BY[folder]
            misnamed = _misnamed(name, key, getattr(model, key), document)
            files.problems.extend(misnamed)
            if misnamed:
                files.misplaced.add(f"{folder}/{getattr(model, key)}.yaml")
            else:
                files.models[path] = model
    except ConfigError as error:
        files.problems.append(error)
        if error.what == _MISPLACED and error.did_you_mean:
            files.misplaced.add(error.did_you_mean)


def _text(path: str, reader: Reader) -> tuple[str, str]:
    """Text and version of a file; what is wrong with it is told of `path`, whatever the reader calls the file."""
    try:
        return reader.read(path)
    except ConfigError as error:
        if file_of(error) == path:
            raise
        raise error.at(path) from error


def _kind(path: str, folder: str) -> type[Model]:
    if folder not in _MODELS or not path.endswith(".yaml"):
        near = folder if folder in _MODELS else nearest(folder, _MODELS)
        raise ConfigError(
            _MISPLACED,
            where=path,
            expected="objects/<object>.yaml, delta_filter/<object>.yaml, tables/<schema>.<table>.yaml or"
            " subjects/<subject>.yaml",
            did_you_mean=f"{near}/{PurePosixPath(path).stem}.yaml" if near else None,
            remedy="move or rename it",
        )
    return _MODELS[folder]


def _misnamed(name: str, key: str, content: str, document: Document) -> list[ConfigError]:
    """The problem of a file that is not named as what it holds; none if it is."""
    if name == f"{content}.yaml":
        return []
    return [
        ConfigError(
            "file name and content differ",
            where=document.place((key,)),
            key=key,
            got=content,
            expected=name.removesuffix(".yaml"),
            remedy=f"rename the file to {content}.yaml, or correct {key}",
        )
    ]


def _placed(problem: ConfigError, files: _Files) -> ConfigError:
    """The problem with line and column, where its file and key are known."""
    document = files.documents.get(problem.where or "")
    return _at_its_key(problem, document) if document is not None else problem


def _at_its_key(problem: ConfigError, document: Document) -> ConfigError:
    steps = [int(step) if step.isdigit() else step for step in (problem.key or "").split(".") if step]
    return problem.at(document.place(steps))
