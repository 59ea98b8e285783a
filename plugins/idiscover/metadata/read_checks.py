"""Checks of what a run of an object reads: load mode, history, sweeps and formula refreshes have to go together."""

from __future__ import annotations

from collections.abc import Callable, Collection

from idiscover.errors import ConfigError
from idiscover.metadata.models import Catalog, ObjectSpec
from idiscover.metadata.object_checks import Problems, names
from idiscover.metadata.paths import delta_filter_path, object_path


def _reads_whole(spec: ObjectSpec, catalog: Catalog) -> str | None:
    """The setting by which runs read the whole object; None where they do not."""
    delta = catalog.delta_filters.get(spec.object)
    if spec.load_mode == "full":
        return "load_mode: full"
    if delta is None or delta.formula_refresh == "never":
        return None
    return f"formula_refresh: {delta.formula_refresh}"


def _history_grows_with_changes_only(spec: ObjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Histories are of objects that are read by windows."""
    whole = _reads_whole(spec, catalog)
    if spec.history and whole:
        yield ConfigError(
            "a history would grow by the whole object with every read of it",
            where=object_path(spec.object),
            key="history",
            got=f"history: true with {whole}",
            expected="history only where a day's run reads what has changed",
            remedy="remove history, or read windows (load_mode: delta, formula_refresh: never)",
        )


def _formulas_are_read_again(spec: ObjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Formulas are read anew, and only objects that have some."""
    if spec.object not in catalog.delta_filters:
        return  # told elsewhere; and the filter may be what says so
    for position, field in enumerate(spec.fields):
        if field.calculated and _reads_whole(spec, catalog) is None:
            yield ConfigError(
                "a formula's column would go stale: its changes do not touch SystemModstamp",
                where=object_path(spec.object),
                key=f"fields.{position}.calculated",
                got=f"{field.salesforce} of an object that is read by windows alone",
                expected=f"formula_refresh in {delta_filter_path(spec.object)}, or load_mode: full",
                remedy="add one of the two, or leave the field out",
            )
    refresh = catalog.delta_filters[spec.object].formula_refresh
    if refresh != "never" and not spec.calculated_columns:
        yield ConfigError(
            "there is no formula to refresh",
            where=delta_filter_path(spec.object),
            key="formula_refresh",
            got=f"formula_refresh: {refresh}",
            expected=f"a field with calculated: true in {object_path(spec.object)}",
            remedy="remove formula_refresh, or mark the formulas among the fields",
        )


def _nothing_is_read_twice(spec: ObjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """An object that is read whole has no sweep beside it."""
    delta = catalog.delta_filters.get(spec.object)
    if delta is None:
        return
    asked = {"sweep": delta.sweep, "formula_refresh": delta.formula_refresh}
    needless = ("sweep", "formula_refresh") if spec.load_mode == "full" else ("sweep",)
    for key in needless:
        if asked[key] != "never" and _reads_whole(spec, catalog) not in (None, f"{key}: {asked[key]}"):
            yield ConfigError(
                "the whole object is read already",
                where=delta_filter_path(spec.object),
                key=key,
                got=f"{key}: {asked[key]} with {_reads_whole(spec, catalog)}",
                expected=f"{key}: never: a read of every record says that too",
                remedy=f"remove {key}",
            )


def _deletions_are_seen(spec: ObjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Deletions are seen: by IsDeleted, a sweep or a whole read."""
    delta = catalog.delta_filters.get(spec.object)
    if delta is None or spec.has_is_deleted or delta.sweep != "never" or _reads_whole(spec, catalog):
        return
    yield ConfigError(
        "deletions of this object would never be seen",
        where=delta_filter_path(spec.object),
        key="sweep",
        got="neither IsDeleted among the fields, nor a sweep, nor load_mode: full",
        expected=names(("sweep: daily", "load_mode: full", "the field IsDeleted where the object has it")),
        remedy="add sweep: daily",
    )


def _read_time_is_a_version_of_whole_reads_only(
    spec: ObjectSpec, _catalog: Catalog, _unread: Collection[str]
) -> Problems:
    """Objects without a time of their last change are read whole: there is no window to cut."""
    if not spec.has_version_of_its_own and spec.load_mode != "full":
        yield ConfigError(
            "an object without a time of its last change is read by windows",
            where=object_path(spec.object),
            key="version_column",
            got=f"version_column: {spec.version_column} with load_mode: {spec.load_mode}",
            expected="load_mode: full, or a datetime column that every change touches",
            remedy="write load_mode: full, or name the column of SystemModstamp or LastModifiedDate",
        )


READ_CHECKS: tuple[Callable[[ObjectSpec, Catalog, Collection[str]], Problems], ...] = (
    _history_grows_with_changes_only,
    _formulas_are_read_again,
    _nothing_is_read_twice,
    _deletions_are_seen,
    _read_time_is_a_version_of_whole_reads_only,
)
