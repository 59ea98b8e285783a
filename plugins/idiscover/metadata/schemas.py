"""JSON Schemas of the files that people write, for editors: they complete keys, show descriptions and mark mistakes.

A file names its schema in its first line. What a schema cannot tell (names of other files, of columns) `idiscover
validate` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from idiscover.metadata.base import Model
from idiscover.metadata.environment import Context
from idiscover.metadata.models import DeltaFilter, ObjectSpec, SubjectSpec, TableSpec

MODELINE = "# yaml-language-server: $schema="


@dataclass(frozen=True)
class SchemaFile:
    """A schema and the folder of the files that it is for; both relative to the repository."""

    path: str
    folder: str
    model: type[Model]

    @property
    def first_line(self) -> str:
        """What the files begin with."""
        up = "../" if self.path.rpartition("/schema/")[0] != self.folder else ""
        return f"{MODELINE}{up}schema/{self.path.rpartition('/')[2]}"


SCHEMAS = (
    SchemaFile("metadata/schema/object.schema.json", "metadata/objects", ObjectSpec),
    SchemaFile("metadata/schema/delta_filter.schema.json", "metadata/delta_filter", DeltaFilter),
    SchemaFile("metadata/schema/table.schema.json", "metadata/tables", TableSpec),
    SchemaFile("metadata/schema/subject.schema.json", "metadata/subjects", SubjectSpec),
    SchemaFile("context/schema/context.schema.json", "context", Context),
)


class _Generator(GenerateJsonSchema):
    """Pydantic's schemas without the titles that it makes of the names of keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def render_schemas() -> Mapping[str, str]:
    """Path, relative to the repository → text."""
    return {item.path: _text(item.model) for item in SCHEMAS}


def first_line(folder: str) -> str:
    """The line that names the schema, for files of a folder such as `metadata/objects`."""
    return next(item.first_line for item in SCHEMAS if item.folder == folder)


def _text(model: type[Model]) -> str:
    schema = model.model_json_schema(schema_generator=_Generator)
    return json.dumps({"$schema": _Generator.schema_dialect, **schema}, indent=2, ensure_ascii=False) + "\n"
