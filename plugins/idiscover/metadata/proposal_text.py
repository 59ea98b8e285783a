"""A proposal as the three files of an object: text that a person goes on editing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date

from idiscover.metadata.org_describe import OrgField
from idiscover.metadata.paths import delta_filter_path, object_path, table_path
from idiscover.metadata.proposals import Proposal, ProposedField

LEFT_OUT = "# left out: "
_WIDTH = 120
_SCHEMA = "# yaml-language-server: $schema=../schema/{}.schema.json"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9]*( [A-Za-z0-9]+)*")


def proposal_files(proposal: Proposal) -> dict[str, str]:
    """Path relative to `metadata/` → text, of a new object."""
    name = proposal.object
    return {
        object_path(name): object_text(proposal),
        delta_filter_path(name): delta_filter_text(proposal),
        table_path(f"itg.{name}"): table_text(proposal),
    }


def object_text(proposal: Proposal) -> str:
    """`objects/<object>.yaml`."""
    reads = proposal.reads
    guess = "  # to confirm" if proposal.country.is_guess else ""
    head = [
        _SCHEMA.format("object"),
        f"object: {proposal.object}",
        f"salesforce_object: {proposal.org.name}",
        f"description: {quoted(f'{proposal.org.label_plural}.')}",
        f"grain: {quoted(proposal.grain)}",
        f"owner: {_owner(proposal)}",
        f"schedule: {quoted(proposal.schedule)}",
        f"key: {proposal.key}",
        f"version_column: {reads.version_column}",
        f"country: {proposal.country.rule}{guess}",
        f"load_mode: {reads.load_mode}",
        "fields:",
    ]
    left_out = left_out_lines([*(field.name for field in proposal.org.left_out), *proposal.not_taken])
    return "\n".join([*head, *(field_text(item) for item in proposal.fields), *left_out]) + "\n"


def field_text(item: ProposedField, indent: str = "  ", since: date | None = None) -> str:
    """One entry of `fields`, as two lines; what was guessed is marked."""
    field, pii, mark = item.field, "", ""
    assert field.kind is not None
    if item.guess is not None:
        pii, mark = f", pii: {item.guess.pii.value}", f"  # to confirm: {item.guess.why}"
    calculated = ", calculated: true" if field.calculated else ""
    day = f", since: {quoted(since.isoformat())}" if since is not None else ""
    head = f"salesforce: {field.name}, type: {field.kind.value}, column: {item.column}"
    return (
        f"{indent}- {{{head}{sizes_text(field)}{calculated}{pii}{day},\n"
        f"{indent}   description: {quoted(field.description)}}}{mark}"
    )


def sizes_text(field: OrgField) -> str:
    """`, length: 80` or `, precision: 18, scale: 2`, or nothing."""
    sizes = {"length": field.length, "precision": field.precision, "scale": field.scale}
    return "".join(f", {name}: {size}" for name, size in sizes.items() if size is not None)


def left_out_lines(names: Sequence[str]) -> list[str]:
    """Comments that say which fields of the org are not extracted, so that a refresh does not propose them again."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) + 2 <= _WIDTH:
            lines[-1] += f", {name}"
        else:
            lines.append(f"{LEFT_OUT}{name}")
    return lines


def delta_filter_text(proposal: Proposal) -> str:
    """`delta_filter/<object>.yaml`."""
    reads = proposal.reads
    lines = [_SCHEMA.format("delta_filter"), f"object: {proposal.object}"]
    if reads.field is not None:
        lines += [
            f"field: {reads.field}",
            f"# a change may be committed up to this long after the {reads.field} it carries",
        ]
    else:
        lines.append("# no field tells of a record's last change: no window is ever cut")
    lines += [f"lookback_minutes: {proposal.lookback_minutes}", f"start: {quoted(proposal.start)}", "filter: []"]
    lines += ["sweep: daily"] if reads.sweep == "daily" else []
    lines += ["formula_refresh: daily"] if reads.formula_refresh == "daily" else []
    return "\n".join(lines) + "\n"


def table_text(proposal: Proposal) -> str:
    """`tables/itg.<object>.yaml`."""
    name, via = proposal.object, proposal.country.via_object
    more = [f"  - {{table: itg.{via}, marks: same}}"] if via else []
    return (
        "\n".join(
            [
                _SCHEMA.format("table"),
                f"table: itg.{name}",
                "family: stg_to_itg",
                f"description: {quoted(f'{proposal.org.label_plural}, current state.')}",
                f"owner: {_owner(proposal)}",
                f"grain: [{proposal.key}]",
                "inputs:",
                f"  - {{table: stg.{name}, marks: same}}",
                *more,
                "uses_as_of_date: false",
                "cut_off_hours: 6",
                "statements:",
                f"  - CALL itg.load_{name}(:country_code, :as_of_date, :run_id)",
            ]
        )
        + "\n"
    )


def quoted(text: str) -> str:
    """`text` in double quotes, as YAML and JSON alike have it."""
    return json.dumps(text, ensure_ascii=False)


def _owner(proposal: Proposal) -> str:
    name = proposal.owner.name
    plain = name if _PLAIN.fullmatch(name) else quoted(name)
    return f"{{name: {plain}, email: {proposal.owner.email}}}"
