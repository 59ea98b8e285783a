"""dm.dm_lab_360: all about a lab in one row."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from tests.oracle.arithmetic import months_before, rate, total
from tests.oracle.dm.common import UNKNOWN, LabKey, lab_key
from tests.oracle.dm.lab_hcp_network import current_labs
from tests.oracle.dm.periods import holds_on, in_12_months_to, is_known_until, month_of
from tests.oracle.shapes import Row, Tables

_OF_LAB = ("lab_id", "lab_name", "lab_type", "segment", "accreditation", "city", "owner_id", "is_active_lab")


class _Facts(NamedTuple):
    """Rows of one kind, by slice and lab."""

    capabilities: dict[LabKey, list[Row]]
    offerings: dict[LabKey, list[Row]]
    interactions: dict[LabKey, list[Row]]
    objectives: dict[LabKey, list[Row]]
    volumes: dict[LabKey, list[Row]]
    affiliations: dict[LabKey, list[Row]]
    network: dict[LabKey, list[Row]]


def dm_lab_360(dm: Tables, as_of_date: date) -> list[Row]:
    """One row per lab that is not deleted."""
    names = {row["biomarker_id"]: row["biomarker_name"] for row in dm["dm.dim_biomarker"]}
    facts = _Facts(
        _by_lab(dm["dm.fact_lab_capability"]),
        _by_lab(dm["dm.fact_test_offering"]),
        _by_lab(dm["dm.fact_interaction"]),
        _by_lab(dm["dm.fact_lab_objective"]),
        _by_lab(dm["dm.fact_testing_volume"]),
        _by_lab(dm["dm.bridge_lab_hcp"]),
        _by_lab(dm["dm.dm_lab_hcp_network"]),
    )
    return [
        {
            "country_code": lab["country_code"],
            **{column: lab[column] for column in _OF_LAB},
            **_technologies(facts.capabilities[lab_key(lab)], as_of_date),
            **_offered(facts.offerings[lab_key(lab)], names, as_of_date),
            **_met(facts.interactions[lab_key(lab)], as_of_date),
            **_objectives(facts.objectives[lab_key(lab)], as_of_date),
            **_linked(facts.affiliations[lab_key(lab)], facts.network[lab_key(lab)], as_of_date),
            **_volumes(facts.volumes[lab_key(lab)], as_of_date),
        }
        for lab in current_labs(dm)
    ]


def _by_lab(rows: Iterable[Row]) -> dict[LabKey, list[Row]]:
    found: dict[LabKey, list[Row]] = defaultdict(list)
    for row in rows:
        found[lab_key(row)].append(row)
    return found


def _list(texts: Iterable[object]) -> str | None:
    """Texts in bytewise order, joined; None where there are none."""
    return "; ".join(sorted(map(str, texts), key=str.encode)) or None


def _technologies(capabilities: Iterable[Row], as_of_date: date) -> Row:
    valid = [row for row in capabilities if holds_on(as_of_date, row["valid_from"], row["valid_to"])]
    in_house = {row["technology"] for row in valid if row["in_house"] is True}
    sent_out = {row["technology"] for row in valid if row["in_house"] is False}
    return {"in_house_technologies": _list(in_house), "sent_out_technologies": _list(sent_out - in_house)}


def _offered(offerings: Iterable[Row], names: dict[object, object], as_of_date: date) -> Row:
    active = [
        row
        for row in offerings
        if row["status"] == "Active"
        and row["biomarker_id"] != UNKNOWN
        and holds_on(as_of_date, row["launched_on"], None)
    ]
    offered = {row["biomarker_id"] for row in active}
    return {
        "offered_biomarkers": len(offered),
        "offered_biomarker_names": _list({names[key] for key in offered}),
        "reimbursed_biomarkers": len({row["biomarker_id"] for row in active if row["reimbursed"] is True}),
    }


def _met(interactions: list[Row], as_of_date: date) -> Row:
    """When and how often the lab was visited and called."""
    days = [row["interaction_date_key"] for row in interactions]
    last = max((day for day in days if is_known_until(as_of_date, day)), default=None)  # type: ignore[type-var]
    recent = [row for row in interactions if in_12_months_to(as_of_date, row["interaction_date_key"])]
    return {
        "last_interaction_on": last,
        "days_since_last_interaction": (as_of_date - last).days if isinstance(last, date) else None,
        "interactions_12_months": len(recent),
        "visits_12_months": sum(row["channel"] == "Visit" for row in recent),
    }


def _objectives(rows: Iterable[Row], as_of_date: date) -> Row:
    current = [row for row in rows if row["is_current"] is True and row["is_deleted"] is not True]
    due = [row["due_date"] for row in current if row["status"] == "Open"]
    return {
        "open_objectives": len(due),
        "overdue_objectives": sum(isinstance(day, date) and day < as_of_date for day in due),
        "met_objectives": sum(row["status"] == "Met" for row in current),
    }


def _linked(affiliations: Iterable[Row], network: Iterable[Row], as_of_date: date) -> Row:
    active = [row for row in affiliations if holds_on(as_of_date, row["start_date"], row["end_date"])]
    by_area: dict[tuple[object, object], set[object]] = defaultdict(set)
    for row in network:
        if row["is_affiliated"] is True and row["therapeutic_area_id"] != UNKNOWN:
            by_area[row["therapeutic_area_id"], row["therapeutic_area_name"]].add(row["hcp_key"])
    return {
        "linked_hcps": len({row["hcp_key"] for row in active} - {UNKNOWN}),
        "linked_hcps_per_therapeutic_area": _list(f"{name}: {len(keys)}" for (_, name), keys in by_area.items()),
    }


def _volumes(rows: list[Row], as_of_date: date) -> Row:
    this_month = month_of(as_of_date)
    bounds = [months_before(this_month, back) for back in (24, 12, 0)]
    previous, last = (
        [row for row in rows if start <= row["month"] < end]  # type: ignore[operator]
        for start, end in pairwise(bounds)
    )
    eligible, tested = (total(row[f"{what}_patients"] for row in last) for what in ("eligible", "tested"))
    before = total(row["tested_patients"] for row in previous)
    return {
        "eligible_patients_12_months": eligible,
        "tested_patients_12_months": tested,
        "testing_rate_12_months": rate(tested, eligible),
        "tested_patients_previous_12_months": before,
        "tested_patients_trend": rate(tested - before, before),
    }
