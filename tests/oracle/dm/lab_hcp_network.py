"""dm.dm_lab_hcp_network: which professionals a lab is tied to, and how."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from tests.oracle.dm.common import UNKNOWN, LabKey, lab_key
from tests.oracle.dm.periods import holds_on, in_12_months_to
from tests.oracle.shapes import Row, Tables

AGREED = ("Open", "Met", "Missed")
_PairKey = tuple[LabKey, object]


@dataclass
class _Tie:
    """What ties one lab and one professional in one area."""

    objectives: dict[object, object] = field(default_factory=dict)  # objective_id → status
    interactions: list[Row] = field(default_factory=list)


def dm_lab_hcp_network(dm: Tables, as_of_date: date) -> list[Row]:
    """One row per lab, professional and area of a tie; of area UNKNOWN where there is but an affiliation."""
    labs = {lab_key(row): row for row in current_labs(dm)}
    areas = {row["therapeutic_area_id"]: row["therapeutic_area_name"] for row in dm["dm.dim_therapeutic_area"]}
    affiliations = _affiliations(dm, as_of_date)
    ties = _ties(dm, as_of_date)
    for pair in affiliations:
        if not ties[pair]:
            ties[pair][UNKNOWN] = _Tie()
    rows: list[Row] = []
    for (place, hcp_key), by_area in ties.items():
        if place not in labs or hcp_key == UNKNOWN:
            continue
        shared: Row = {column: labs[place][column] for column in ("country_code", "lab_id", "lab_name")}
        shared |= {"hcp_key": hcp_key, **_affiliation_columns(affiliations.get((place, hcp_key), []))}
        for area, tie in by_area.items():
            names: Row = {"therapeutic_area_id": area, "therapeutic_area_name": areas[area]}
            rows.append({**shared, **names, **_tie_columns(tie)})
    return rows


def current_labs(dm: Tables) -> list[Row]:
    """Today's rows of labs that are not deleted, without the unknown member."""
    return [
        row
        for row in dm["dm.dim_lab"]
        if row["is_current"] is True and row["is_deleted"] is not True and row["lab_id"] != UNKNOWN
    ]


def _affiliations(dm: Tables, as_of_date: date) -> dict[_PairKey, list[Row]]:
    found: dict[_PairKey, list[Row]] = defaultdict(list)
    for row in dm["dm.bridge_lab_hcp"]:
        if holds_on(as_of_date, row["start_date"], row["end_date"]):
            found[lab_key(row), row["hcp_key"]].append(row)
    return found


def _ties(dm: Tables, as_of_date: date) -> dict[_PairKey, dict[object, _Tie]]:
    ties: dict[_PairKey, dict[object, _Tie]] = defaultdict(lambda: defaultdict(_Tie))
    objectives = {
        (row["country_code"], row["objective_id"]): row for row in agreed_objectives(dm["dm.fact_lab_objective"])
    }
    for link in dm["dm.bridge_objective_hcp"]:
        objective = objectives.get((link["country_code"], link["objective_id"]))
        if objective is not None:
            tie = ties[lab_key(objective), link["hcp_key"]][objective["therapeutic_area_id"]]
            tie.objectives[objective["objective_id"]] = objective["status"]
    for row in dm["dm.fact_interaction"]:
        if in_12_months_to(as_of_date, row["interaction_date_key"]):
            ties[lab_key(row), row["hcp_key"]][row["therapeutic_area_id"]].interactions.append(row)
    return ties


def agreed_objectives(rows: Iterable[Row]) -> list[Row]:
    """Today's rows of objectives that are not deleted and neither drafts nor cancelled."""
    return [
        row for row in rows if row["is_current"] is True and row["is_deleted"] is not True and row["status"] in AGREED
    ]


def _affiliation_columns(affiliations: list[Row]) -> Row:
    return {
        "is_affiliated": bool(affiliations),
        "role": min(affiliations, key=_precedence)["role"] if affiliations else None,
        "is_primary": any(row["is_primary"] is True for row in affiliations),
    }


def _precedence(affiliation: Row) -> tuple[bool, bool, date, bytes]:
    start = affiliation["start_date"]
    since = start if isinstance(start, date) else date.min
    return affiliation["is_primary"] is not True, start is not None, since, str(affiliation["affiliation_id"]).encode()


def _tie_columns(tie: _Tie) -> Row:
    return {
        "shared_objectives": len(tie.objectives),
        "open_shared_objectives": sum(status == "Open" for status in tie.objectives.values()),
        "interactions_12_months": len(tie.interactions),
        "visits_12_months": sum(row["channel"] == "Visit" for row in tie.interactions),
        "last_interaction_on": max((row["interaction_date_key"] for row in tie.interactions), default=None),  # type: ignore[type-var]
    }
