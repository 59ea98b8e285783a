"""What a person would write instead of a procedure: the slice's DELETE and INSERT … SELECT, parameters as literals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from idiscover.metadata.models import CountryVia, ObjectSpec
from idiscover.warehouse.types import quoted

_BODY = re.compile(r"\nbegin\n(.*)\nend;\n\$\$", re.DOTALL)


def of_dm(procedure: Path, parameters: Mapping[str, str]) -> list[str]:
    """The statements of a hand-written procedure of dm, which are those that one would write by hand.

    Args:
        procedure: its file.
        parameters: name → literal.
    """
    found = _BODY.search(procedure.read_text(encoding="utf-8"))
    if found is None or "declare" in procedure.read_text(encoding="utf-8"):
        raise ValueError(f"{procedure}: expected begin … end without declarations")
    body = found[1]
    for name, literal in parameters.items():
        body = re.sub(rf"\b{name}\b", literal, body)
    return [statement.strip() for statement in body.split(";\n") if statement.strip(" \n;")]


def of_itg(spec: ObjectSpec, countries: Sequence[str]) -> list[str]:
    """Replaces slices of itg with the newest version of each record in stg, which holds all of their records."""
    columns = ", ".join(quoted(field.column) for field in spec.fields)
    staged = ", ".join(f"staged.{quoted(field.column)}" for field in spec.fields)
    key, version, slices = quoted(spec.key), quoted(spec.version_column), ", ".join(f"'{code}'" for code in countries)
    if not isinstance(spec.country, CountryVia):
        raise ValueError(f"{spec.object}: only objects whose country is another's are compared")
    parent = f"itg.{spec.country.object} as parent on staged.{quoted(spec.country.column)} = parent.id"
    return [
        f"delete from itg.{spec.object} where _country_code in ({slices})",
        f"""insert into itg.{spec.object} ({columns}, _read_at_utc, _batch_id, _country_code, _run_id, _loaded_at_utc)
with ranked as (
    select staged.*,
        row_number() over (partition by {key} order by {version} desc, _read_at_utc desc, _batch_id desc) as place
    from stg.{spec.object} as staged
)
select {staged}, staged._read_at_utc, staged._batch_id, coalesce(parent._country_code, 'ZZ'), 'plain', getdate()
from ranked as staged
left join {parent}
where staged.place = 1 and coalesce(parent._country_code, 'ZZ') in ({slices})""",
    ]
