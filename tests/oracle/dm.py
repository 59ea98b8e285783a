"""dm as docs/marts.md defines it, from itg's rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from tests.oracle.arithmetic import RATE_DECIMALS, months_before, percentile, rate, rounded, weighted_mean
from tests.oracle.itg import ELSEWHERE
from tests.oracle.shapes import Row, Tables

UNKNOWN, UNKNOWN_NAME, UNKNOWN_MONTH = "UNKNOWN", "Unknown", date(1900, 1, 1)
_LAB_TAT_DECIMALS = 2
CellKey = tuple[str, str, str, date]


def compute_dm(itg: Tables) -> Tables:
    """All dm tables."""
    biomarkers = dim_biomarker(itg["itg.biomarker"], itg["itg.therapeutic_area"])
    labs = dim_lab(itg["itg.account"], itg["itg.record_type"])
    facts = fact_testing_volume(itg["itg.testing_volume"], labs, biomarkers)
    return {
        "dm.dim_biomarker": biomarkers,
        "dm.dim_lab": labs,
        "dm.fact_testing_volume": facts,
        "dm.dm_testing_uptake": dm_testing_uptake(facts, labs, biomarkers),
    }


def dim_biomarker(biomarkers: list[Row], areas: list[Row]) -> list[Row]:
    """One row per biomarker, and the unknown member."""
    by_id = {str(area["id"]): area for area in areas}
    rows = [_unknown_biomarker()]
    for biomarker in biomarkers:
        area = by_id.get(str(biomarker["therapeutic_area_id"]))
        rows.append(
            {
                "country_code": ELSEWHERE,
                "biomarker_id": biomarker["id"],
                "biomarker_name": _named(biomarker["name"]),
                "therapeutic_area_id": UNKNOWN if area is None else area["id"],
                "therapeutic_area_name": UNKNOWN_NAME if area is None else _named(area["name"]),
                "indication": biomarker["indication"],
                "is_companion_diagnostic": biomarker["is_companion_diagnostic"],
                "is_deleted": biomarker["is_deleted"],
            }
        )
    return rows


def _named(name: object) -> object:
    return UNKNOWN_NAME if name is None else name


def _unknown_biomarker() -> Row:
    return {
        "country_code": ELSEWHERE,
        "biomarker_id": UNKNOWN,
        "biomarker_name": UNKNOWN_NAME,
        "therapeutic_area_id": UNKNOWN,
        "therapeutic_area_name": UNKNOWN_NAME,
        "indication": None,
        "is_companion_diagnostic": None,
        "is_deleted": False,
    }


def dim_lab(accounts: list[Row], record_types: list[Row]) -> list[Row]:
    """One row per account of record type Lab, and the unknown member."""
    lab_types = {row["id"] for row in record_types if row["developer_name"] == "Lab"}
    rows: list[Row] = [
        {
            "country_code": ELSEWHERE,
            "lab_id": UNKNOWN,
            "lab_name": UNKNOWN_NAME,
            "lab_type": None,
            "segment": None,
            "is_deleted": False,
            "is_active_lab": False,
        }
    ]
    for account in accounts:
        if account["record_type_id"] in lab_types:
            rows.append(
                {
                    "country_code": account["_country_code"],
                    "lab_id": account["id"],
                    "lab_name": _named(account["name"]),
                    "lab_type": account["lab_type"],
                    "segment": account["segment"],
                    "is_deleted": account["is_deleted"],
                    "is_active_lab": account["is_active"] is True and account["is_deleted"] is False,
                }
            )
    return rows


def fact_testing_volume(volumes: list[Row], labs: list[Row], biomarkers: list[Row]) -> list[Row]:
    """One row per testing volume that is not deleted."""
    known_labs = {row["lab_id"] for row in labs}
    known_biomarkers = {row["biomarker_id"] for row in biomarkers}
    rows: list[Row] = []
    for volume in volumes:
        if volume["is_deleted"] is True:
            continue
        month = volume["month"]
        kept = ("eligible_patients", "tested_patients", "positive_patients", "median_tat_days", "data_source")
        rows.append(
            {
                "country_code": volume["_country_code"],
                "testing_volume_id": volume["id"],
                "lab_id": volume["lab_id"] if volume["lab_id"] in known_labs else UNKNOWN,
                "biomarker_id": volume["biomarker_id"] if volume["biomarker_id"] in known_biomarkers else UNKNOWN,
                "month": month.replace(day=1) if isinstance(month, date) else UNKNOWN_MONTH,
                **{column: volume[column] for column in kept},
            }
        )
    return rows


def dm_testing_uptake(facts: list[Row], labs: list[Row], biomarkers: list[Row]) -> list[Row]:
    """One row per country × therapeutic area × biomarker × month that has a fact."""
    members = {str(row["biomarker_id"]): row for row in biomarkers}
    cells: dict[CellKey, list[Row]] = defaultdict(list)
    for fact in facts:
        area = str(members[str(fact["biomarker_id"])]["therapeutic_area_id"])
        month = fact["month"]
        assert isinstance(month, date)
        cells[str(fact["country_code"]), area, str(fact["biomarker_id"]), month].append(fact)
    sums = {key: _sums(rows) for key, rows in cells.items()}
    active = {(str(row["country_code"]), str(row["lab_id"])) for row in labs if row["is_active_lab"] is True}
    active_by_country = Counter(country for country, _ in active)
    return [
        {
            "country_code": key[0],
            "therapeutic_area_id": key[1],
            "therapeutic_area_name": members[key[2]]["therapeutic_area_name"],
            "biomarker_id": key[2],
            "biomarker_name": members[key[2]]["biomarker_name"],
            "month": key[3],
            **sums[key],
            **_rates(key, sums),
            **_rolling(key, sums, 3),
            **_rolling(key, sums, 12),
            **_turnaround(rows),
            **_lab_shares(key[0], rows, active, active_by_country[key[0]]),
        }
        for key, rows in cells.items()
    ]


_COUNTS = ("eligible_patients", "tested_patients", "positive_patients")


def _number(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)


def _sums(rows: list[Row]) -> dict[str, Decimal]:
    return {column: sum((_number(row[column]) for row in rows), Decimal(0)) for column in _COUNTS}


def _testing_rate(sums: dict[str, Decimal] | None) -> Decimal | None:
    return None if sums is None else rate(sums["tested_patients"], sums["eligible_patients"])


def _rates(key: CellKey, sums: dict[CellKey, dict[str, Decimal]]) -> Row:
    here = sums[key]
    testing_rate = _testing_rate(here)
    row: Row = {
        "testing_rate": testing_rate,
        "positivity_rate": rate(here["positive_patients"], here["tested_patients"]),
    }
    for name, back in (("month", 1), ("year", 12)):
        before = _testing_rate(sums.get((*key[:3], months_before(key[3], back))))
        known = testing_rate is not None and before is not None
        row[f"testing_rate_change_{name}"] = testing_rate - before if known else None  # type: ignore[operator]
    return row


def _rolling(key: CellKey, sums: dict[CellKey, dict[str, Decimal]], months: int) -> Row:
    found = [sums[place] for back in range(months) if (place := (*key[:3], months_before(key[3], back))) in sums]
    eligible, tested = (sum((cell[column] for cell in found), Decimal(0)) for column in _COUNTS[:2])
    return {
        f"eligible_patients_{months}_months": eligible,
        f"tested_patients_{months}_months": tested,
        f"testing_rate_{months}_months": rate(tested, eligible),
    }


def _mean_tat(rows: Iterable[Row], decimals: int) -> Decimal | None:
    timed = [
        (_number(row["median_tat_days"]), _number(row["tested_patients"]))
        for row in rows
        if row["median_tat_days"] is not None and _number(row["tested_patients"]) > 0
    ]
    mean = weighted_mean(timed)
    return None if mean is None else rounded(mean, decimals)


def _turnaround(rows: list[Row]) -> Row:
    by_lab: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        if row["lab_id"] != UNKNOWN:
            by_lab[row["lab_id"]].append(row)
    of_labs = [tat for own in by_lab.values() if (tat := _mean_tat(own, _LAB_TAT_DECIMALS)) is not None]
    return {
        "mean_tat_days": _mean_tat(rows, RATE_DECIMALS),
        "p50_tat_days": percentile(of_labs, 50),
        "p90_tat_days": percentile(of_labs, 90),
    }


def _lab_shares(country: str, rows: list[Row], active: set[tuple[str, str]], active_labs: int) -> Row:
    testing = {str(row["lab_id"]) for row in rows if row["lab_id"] != UNKNOWN and _number(row["tested_patients"]) > 0}
    both = sum((country, lab) in active for lab in testing)
    return {
        "testing_labs": len(testing),
        "active_testing_labs": both,
        "active_labs": active_labs,
        "active_lab_testing_share": rate(Decimal(both), Decimal(active_labs)),
    }
