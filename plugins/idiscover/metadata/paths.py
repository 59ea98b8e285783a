"""Where each metadata file lies, relative to `metadata/`."""

from __future__ import annotations

from idiscover.metadata.models import Catalog, Owner


def is_metadata(path: str) -> bool:
    """Whether a path below `metadata/` is that of a metadata file; what an editor leaves beside them is none."""
    return path.endswith((".yaml", ".yml")) and not path.rpartition("/")[2].startswith(".")


def object_path(name: str) -> str:
    """File of an object, relative to `metadata/`."""
    return f"objects/{name}.yaml"


def delta_filter_path(name: str) -> str:
    """File of an object's delta filter."""
    return f"delta_filter/{name}.yaml"


def table_path(table: str) -> str:
    """File of a target table."""
    return f"tables/{table}.yaml"


def subject_path(subject: str) -> str:
    """File of a subject."""
    return f"subjects/{subject}.yaml"


def owner_of(path: str, catalog: Catalog) -> Owner | None:
    """Who answers for a metadata file; None where the catalog has neither its object, its table nor its subject."""
    folder, _, name = path.rpartition("/")
    name = name.removesuffix(".yaml")
    by_folder = {"tables": catalog.tables, "subjects": catalog.subjects}
    spec = by_folder.get(folder, catalog.objects).get(name)
    return spec.owner if spec is not None else None
