"""What has changed in the org since an object's file was written; and the file with it, nothing else in it touched."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from idiscover.metadata.models import DECIMAL_TYPES, TEXT_TYPES, DeltaFilter, FieldSpec, ObjectSpec
from idiscover.metadata.naming import column_names, snake_case
from idiscover.metadata.org_describe import OrgField, OrgObject
from idiscover.metadata.pii_guesses import guess_pii
from idiscover.metadata.proposal_text import LEFT_OUT, field_text, left_out_lines
from idiscover.metadata.proposals import ProposedField, wanted_fields
from idiscover.metadata.yaml_edit import YamlEdit
from idiscover.metadata.yaml_text import Path

_LEFT_OUT = re.compile(rf"^{re.escape(LEFT_OUT)}(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class ChangedField:
    """A field whose description in the org is another now. `grown` is what the file is to say; None: as it does."""

    position: int
    spec: FieldSpec
    org: OrgField
    grown: FieldSpec | None
    differences: tuple[str, ...]


@dataclass(frozen=True)
class MissingField:
    """A field of the file that the org does not show any more; perhaps `renamed_to` is its new name."""

    spec: FieldSpec
    renamed_to: str | None


@dataclass(frozen=True)
class Refresh:
    """What is to become of an object's file."""

    spec: ObjectSpec
    org: OrgObject
    added: tuple[ProposedField, ...]
    changed: tuple[ChangedField, ...]
    missing: tuple[MissingField, ...]
    not_taken: tuple[str, ...]  # new fields that are not wanted, and were not named as left out before
    notes: tuple[str, ...]

    @property
    def to_confirm(self) -> list[str]:
        """What was guessed of the new fields."""
        guessed = [item for item in self.added if item.guess]
        return [f"{item.field.name} → {item.column}: pii {item.guess.pii} ({item.guess.why})" for item in guessed]  # type: ignore[union-attr]


def compare(
    spec: ObjectSpec, text: str, org: OrgObject, wanted: Collection[str] | None = None, everything: bool = False
) -> Refresh:
    """The differences between an object's file and the org.

    Args:
        spec: the object as its file has it.
        text: the file.
        org: the object as describe has it.
        wanted: API names of the new fields to take; None: all that the file does not name as left out.
        everything: take those too.

    Raises:
        ConfigError: a wanted field does not exist, or cannot be carried.
    """
    known = {field.salesforce.lower() for field in spec.fields}
    missing = _missing(spec, org)
    left_out = {name.lower() for name in left_out_names(text)}
    asked_for = wanted_fields(org, wanted or ())
    # what may be another's new name is left to a person, who may ask for it all the same
    held_back = set() if everything else {item.renamed_to for item in missing} - asked_for
    new = [field for field in org.carried if field.name.lower() not in known and field.name not in held_back]
    chosen = asked_for
    if wanted is None:
        chosen = {field.name for field in new if everything or field.name.lower() not in left_out}
    notes: list[str] = []
    formulas = {field.name for field in new if field.calculated and field.name in chosen}
    if spec.history and formulas:
        chosen -= formulas
        notes.append(
            f"formulas are not taken, as history: true remembers what changed, and they change without a trace: "
            f"{', '.join(sorted(formulas))}"
        )
    taken = [field for field in new if field.name in chosen]
    types = {field.name: field.kind for field in taken if field.kind is not None}
    columns = column_names(types, spec.object, (field.column for field in spec.fields))
    not_taken = [field.name for field in new if field.name not in chosen]
    return Refresh(
        spec=spec,
        org=org,
        added=tuple(ProposedField(field, columns[field.name], guess_pii(field, org.name)) for field in taken),
        changed=tuple(_changed(spec, org)),
        missing=missing,
        not_taken=tuple(name for name in not_taken if name.lower() not in left_out),
        notes=tuple(notes),
    )


def refreshed_object(refresh: Refresh, text: str, since: date | None = None) -> str:
    """The object's file with the new fields and the grown ones.

    Args:
        refresh: the differences.
        text: the file.
        since: the day to be noted with the new fields, where batches that were read without them are on their way.
    """
    edit = YamlEdit(text)
    for change in refresh.changed:
        if change.grown is not None:
            _grow(edit, ("fields", change.position), change.spec, change.grown)
    if refresh.added:
        edit.append(("fields",), [field_text(item, since=since).lstrip().removeprefix("- ") for item in refresh.added])
    taken = {item.field.name.lower() for item in refresh.added}
    changed = _without_left_out(edit.text(), taken)
    lines = "".join(f"{line}\n" for line in left_out_lines(refresh.not_taken))
    return changed + lines if changed.endswith("\n") or not lines else f"{changed}\n{lines}"


def refreshed_filter(refresh: Refresh, delta: DeltaFilter, text: str) -> str:
    """The delta filter: an object with formulas is read whole, one without sweeps its Ids; as often as before."""
    if refresh.spec.load_mode == "full":
        return text
    grown = {change.position: change.grown for change in refresh.changed if change.grown is not None}
    kept = [grown.get(position, field) for position, field in enumerate(refresh.spec.fields)]
    has_formulas = any(field.calculated for field in kept) or any(item.field.calculated for item in refresh.added)
    if has_formulas == (delta.formula_refresh != "never"):
        return text
    wanted, other = ("formula_refresh", "sweep") if has_formulas else ("sweep", "formula_refresh")
    before = delta.sweep if has_formulas else delta.formula_refresh
    interval = "daily" if before == "never" else before
    edit = YamlEdit(text)
    if edit.has((other,)):
        edit.remove_key((other,))
    if edit.has((wanted,)):
        edit.replace((wanted,), interval)
        return edit.text()
    return f"{edit.text().rstrip()}\n{wanted}: {interval}\n"


def left_out_names(text: str) -> list[str]:
    """The fields that an object's file names as left out, whatever it says of them."""
    return [words[0] for line in _LEFT_OUT.findall(text) for name in line.split(",") if (words := name.split())]


def _without_left_out(text: str, taken: Collection[str]) -> str:
    """The text without names that were left out and are extracted now; a comment with none of them goes."""

    def kept(match: re.Match[str]) -> str:
        names = [name.strip() for name in match[1].split(",") if name.strip()]
        stay = [name for name in names if name.split()[0].lower() not in taken]
        if len(stay) == len(names):
            return match[0]
        return LEFT_OUT + ", ".join(stay) + (match[2] or "") if stay else ""

    return re.sub(rf"^{re.escape(LEFT_OUT)}(.*)(\n|\Z)", kept, text, flags=re.MULTILINE)


def _missing(spec: ObjectSpec, org: OrgObject) -> tuple[MissingField, ...]:
    known = {field.salesforce.lower() for field in spec.fields}
    new = [field for field in org.carried if field.name.lower() not in known]
    gone = [field for field in spec.fields if org.field(field.salesforce) is None]
    return tuple(MissingField(field, _renamed_to(field, new)) for field in gone)


def _renamed_to(gone: FieldSpec, new: Collection[OrgField]) -> str | None:
    """A new field that may be the old one: of the same type, and with a similar name, or with the same label."""
    same_type = [field for field in new if field.kind is gone.type]
    by_label = [field.name for field in same_type if field.description.split(":")[0].rstrip(".") in gone.description]
    names = {snake_case(field.name): field.name for field in same_type}
    near = difflib.get_close_matches(snake_case(gone.salesforce), names, n=1, cutoff=0.75)
    return names[near[0]] if near else by_label[0] if len(by_label) == 1 else None


def _changed(spec: ObjectSpec, org: OrgObject) -> list[ChangedField]:
    found = []
    for position, field in enumerate(spec.fields):
        now = org.field(field.salesforce)
        if now is None or now.kind is None:
            continue
        differences = _differences(field, now)
        if differences:
            grown = _grown(field, now)
            found.append(ChangedField(position, field, now, grown if grown != field else None, tuple(differences)))
    return found


def _differences(field: FieldSpec, now: OrgField) -> list[str]:
    told = []
    if field.type is not now.kind:
        told.append(f"type {field.type.value} → {now.kind.value if now.kind else now.type}")
    for name in ("length", "precision", "scale"):
        before, after = getattr(field, name), getattr(now, name)
        if after is not None and before != after:
            told.append(f"{name} {before or 'none'} → {after}")
    if field.calculated != now.calculated:
        told.append("is a formula now" if now.calculated else "is no formula any more")
    return told


def _grown(field: FieldSpec, now: OrgField) -> FieldSpec:
    """The field as the org has it; but a column never shrinks, for it holds what was read before."""
    sizes: dict[str, int | None] = {}
    if now.kind in TEXT_TYPES:
        sizes = {"length": max(now.length or 0, field.length or 0)}
    elif now.kind in DECIMAL_TYPES:
        scale = max(now.scale or 0, field.scale or 0)
        whole = max((now.precision or 0) - (now.scale or 0), (field.precision or 0) - (field.scale or 0))
        sizes = {"precision": min(38, whole + scale), "scale": scale}
    return field.model_copy(update={"type": now.kind, "calculated": now.calculated, **sizes})


def _grow(edit: YamlEdit, path: Path, before: FieldSpec, after: FieldSpec) -> None:
    """Bring the entry at `path` from `before` to `after`; what is new stands behind the type."""
    more: dict[str, str] = {}
    if before.type is not after.type:
        edit.replace((*path, "type"), after.type.value)
    for name in ("length", "precision", "scale"):
        value = getattr(after, name)
        if value == getattr(before, name):
            continue
        if edit.has((*path, name)):
            edit.replace((*path, name), str(value))
        else:
            more[name] = str(value)
    if before.calculated and not after.calculated:
        edit.remove_key((*path, "calculated"))
    elif after.calculated and not before.calculated:
        if edit.has((*path, "calculated")):
            edit.replace((*path, "calculated"), "true")
        else:
            more["calculated"] = "true"
    if more:
        edit.add_keys(path, "type", more)
