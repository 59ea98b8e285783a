"""Types of columns by one name each, whatever a DDL or a catalogue calls them. Pure."""

from __future__ import annotations

_SYNONYMS = {
    "character varying": "varchar",
    "character": "char",
    "bpchar": "char",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "bool": "boolean",
    "decimal": "numeric",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "float8": "double precision",
    "float": "double precision",
    "float4": "real",
}
_DEFAULT_SIZES = {"varchar": "(256)", "char": "(1)", "numeric": "(18, 0)"}
_MAX_SIZE = "65535"  # of varchar(max)


def normal_type(text: str) -> str:
    """A type as `types.column_type` writes it: `CHARACTER VARYING(80)` is `varchar(80)`."""
    name, _, size = text.strip().lower().partition("(")
    name = _SYNONYMS.get(name.strip(), name.strip())
    if not size:
        return name + _DEFAULT_SIZES.get(name, "")
    sizes = [part.strip() for part in size.rstrip(") ").split(",")]
    if sizes == ["max"]:
        sizes = [_MAX_SIZE]
    if name == "numeric" and len(sizes) == 1:
        sizes.append("0")
    return f"{name}({', '.join(sizes)})"
