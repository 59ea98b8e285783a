"""Where each metadata file lies, relative to `metadata/`."""

from __future__ import annotations


def object_path(name: str) -> str:
    """File of an object, relative to `metadata/`."""
    return f"objects/{name}.yaml"


def delta_filter_path(name: str) -> str:
    """File of an object's delta filter."""
    return f"delta_filter/{name}.yaml"


def table_path(table: str) -> str:
    """File of a target table."""
    return f"tables/{table}.yaml"
