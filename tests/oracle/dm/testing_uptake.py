"""dm.dm_testing_uptake: what is tested, of whom, how fast, and where."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from tests.oracle.arithmetic import RATE_DECIMALS, months_before, percentile, rate, rounded, total, weighted_mean
from tests.oracle.dm.common import UNKNOWN, LabKey, lab_key
from tests.oracle.dm.periods import holds_on, month_end
from tests.oracle.shapes import Row, Tables

_LAB_TAT_DECIMALS = 2
_COUNTS = ("eligible_patients", "tested_patients", "positive_patients")
CellKey = tuple[str, str, str, date]
Offerings = Mapping[tuple[LabKey, object], list[Row]]


def dm_testing_uptake(dm: Tables) -> list[Row]:
    """One row per country × therapeutic area × biomarker × month that has a fact."""
    members = {str(row["biomarker_id"]): row for row in dm["dm.dim_biomarker"]}
    cells = _cells(dm["dm.fact_testing_volume"], members)
    sums = {key: {column: total(row[column] for row in rows) for column in _COUNTS} for key, rows in cells.items()}
    active = {
        (str(lab["country_code"]), str(lab["lab_id"]))
        for lab in dm["dm.dim_lab"]
        if lab["is_current"] is True and lab["is_active_lab"] is True
    }
    active_by_country = Counter(country for country, _ in active)
    offerings = _offerings(dm["dm.fact_test_offering"])
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
            **_places(key, rows, offerings),
        }
        for key, rows in cells.items()
    ]


def _cells(facts: Iterable[Row], members: Mapping[str, Row]) -> dict[CellKey, list[Row]]:
    cells: dict[CellKey, list[Row]] = defaultdict(list)
    for fact in facts:
        area = str(members[str(fact["biomarker_id"])]["therapeutic_area_id"])
        month = fact["month"]
        assert isinstance(month, date)
        cells[str(fact["country_code"]), area, str(fact["biomarker_id"]), month].append(fact)
    return cells


def _number(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)


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
    eligible, tested = (total(cell[column] for cell in found) for column in _COUNTS[:2])
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


def _offerings(rows: Iterable[Row]) -> Offerings:
    """Offerings that count in some month, by slice and lab, and biomarker."""
    found: dict[tuple[LabKey, object], list[Row]] = defaultdict(list)
    for row in rows:
        has_place = row["lab_capability_id"] != UNKNOWN and row["in_house"] is not None
        if row["status"] == "Active" and has_place and row["lab_id"] != UNKNOWN:
            found[lab_key(row), row["biomarker_id"]].append(row)
    return found


def _places(key: CellKey, rows: Iterable[Row], offerings: Offerings) -> Row:
    by_place = {True: Decimal(0), False: Decimal(0)}
    for row in rows:
        of_both = offerings.get((lab_key(row), key[2]), ())
        counting = [offering for offering in of_both if _counts_in(offering, key[3])]
        if counting:
            in_house = any(offering["in_house"] is True for offering in counting)
            by_place[in_house] = total((by_place[in_house], row["tested_patients"]))
    in_house_tested, sent_out_tested = by_place[True], by_place[False]
    return {
        "in_house_tested_patients": in_house_tested,
        "sent_out_tested_patients": sent_out_tested,
        "in_house_share": rate(in_house_tested, in_house_tested + sent_out_tested),
    }


def _counts_in(offering: Row, month: date) -> bool:
    last = month_end(month)
    launched = holds_on(last, offering["launched_on"], None)
    begun = holds_on(last, offering["capability_valid_from"], None)
    return launched and begun and holds_on(month, None, offering["capability_valid_to"])
