"""Affiliations, objectives and their professionals, interactions."""

import random
from datetime import UTC, date, datetime, timedelta

from local.salesforce.events import Record, Value
from local.salesforce.generate.phrases import (
    LINE_LENGTH,
    NEXT_STEPS,
    NOTES,
    NOTES_LENGTH,
    OBJECTIVE_TYPES,
    OUTCOME_LENGTH,
    OUTCOMES,
    TOPICS,
    ObjectiveType,
    hurting_text,
)
from local.salesforce.generate.records.common import hurting_turn, is_hurting, other, some_day
from local.salesforce.schema.engagement import CHANNELS, ROLES
from local.salesforce.times import ORG_DAY_ZERO, to_iso

_ROLE_WHEEL = ("Lab Director",) + ("Pathologist",) * 3 + ("Ordering Oncologist",) * 5
_CHANNEL_WHEEL = ("Visit",) * 6 + ("Phone", "Phone", "Video", "Video", "E-mail")
_DUE_FROM, _DUE_BEFORE = date(2025, 1, 1), date(2027, 1, 1)
_TYPES = {kind.name: kind for kind in OBJECTIVE_TYPES}
# numeric(18,4) at its edges, as far as a double's text can say: at most 17 digits, and exactly a double.
EXTREME_NUMBERS = (
    99_999_999_999.9999,
    12_345_678_901_234.125,
    -99_999_999_999.9999,
    0.0001,
    -0.0001,
    90_000_000_000_000.0,
    0,
    0.001,
    -12_345.6789,
)
_EXTREME_MINUTES = {18: 999_999, 43: 0, 68: -1}
_EXTREME_TIMES = ("1700-01-01T00:00:00.000Z", "4000-12-31T23:59:59.000Z")


def new_affiliation(
    rng: random.Random, number: int, lab_id: str | None, hcp_id: str | None, is_primary: bool
) -> dict[str, Value]:
    """A professional at a lab; one in seven links has ended or has an end in sight."""
    start = some_day(rng, date(2015, 1, 1), date(2026, 1, 1))
    ended = rng.randrange(7) == 0
    end = max(start, some_day(rng, date(2024, 6, 1), date(2026, 9, 1))) if ended else None
    start_text, end_text = start.isoformat(), None if end is None else end.isoformat()
    if is_hurting(number):
        start_text, end_text = "1700-01-01", ("4000-12-31", None, "1700-01-01")[number % 3]
    return {
        "Name": f"LA-{number + 1:06d}",
        "Lab__c": None if number % 310 == 7 else lab_id,
        "HCP__c": None if number % 330 == 9 else hcp_id,
        "Role__c": None if number % 90 == 14 else rng.choice(_ROLE_WHEEL),
        "Is_Primary__c": is_primary,
        "Start_Date__c": None if number % 70 == 18 else start_text,
        "End_Date__c": end_text,
    }


def changed_affiliation(rng: random.Random, record: Record) -> dict[str, Value]:
    """Another role, primary or not any more, ended or taken up again."""
    what = rng.randrange(3)
    if what == 0:
        return {"Role__c": other(rng, ROLES, record["Role__c"])}
    if what == 1:
        return {"Is_Primary__c": record["Is_Primary__c"] is not True}
    today = str(record["SystemModstamp"])[:10]
    return {"End_Date__c": None if record["End_Date__c"] is not None else today}


def new_objective(
    rng: random.Random, number: int, lab_id: str | None, area_id: str | None, marker: tuple[str | None, str]
) -> dict[str, Value]:
    """An objective with a lab; `marker` is the biomarker's id and name. Its type says what it counts and how far."""
    kind = OBJECTIVE_TYPES[number % len(OBJECTIVE_TYPES)]
    due = some_day(rng, _DUE_FROM, _DUE_BEFORE)
    start = due - timedelta(days=rng.randrange(60, 400))
    baseline, target, current = _numbers(rng, number, kind)
    title = kind.title.format(marker=marker[1])[:80]
    hurting = is_hurting(number)
    notes = hurting_text(hurting_turn(number), NOTES_LENGTH) if hurting else rng.choice(NOTES)
    return {
        "Name": hurting_text(hurting_turn(number) + 3, 80) if hurting and number % 2 else title,
        "Lab__c": None if number % 280 == 5 else lab_id,
        "Therapeutic_Area__c": None if number % 260 == 11 else area_id,
        "Biomarker__c": marker[0],
        "Type__c": kind.name,
        "Baseline__c": baseline,
        "Target__c": target,
        "Current__c": current,
        "Unit__c": kind.unit,
        "Start_Date__c": start.isoformat() if number % 200 else "1700-01-01",
        "Due_Date__c": None if number % 75 == 12 else (due.isoformat() if number % 200 != 1 else "4000-12-31"),
        "Status__c": _status(rng, due, baseline, target, current),
        "Notes__c": notes,
    }


def _numbers(rng: random.Random, number: int, kind: ObjectiveType) -> tuple[float | None, float | None, float | None]:
    """Baseline, target and current; some meet the target, some went the wrong way, a few cannot be computed with."""
    first = rng.randrange(*kind.baseline)
    gain = rng.randrange(*kind.gain)
    # In hundredths of the way from baseline to target, beyond both ends.
    way = rng.choice((-20, 0, 0, 10, 25, 40, 50, 60, 75, 90, 100, 100, 100, 115))
    baseline, target = first * kind.step, (first + gain) * kind.step
    current: float | None = round(baseline + gain * kind.step * way / 100, 4)
    if number % 40 == 2:
        target = baseline
    if number % 50 == 13:
        return None, target, current
    if number % 55 == 14:
        current = None
    if number % 150 == 15:
        return baseline, None, current
    if number % 60 == 8:
        turn = number // 60
        extreme = EXTREME_NUMBERS[turn % len(EXTREME_NUMBERS)]
        return extreme, target, EXTREME_NUMBERS[(turn + 3) % len(EXTREME_NUMBERS)]
    return baseline, target, current


def _status(
    rng: random.Random, due: date, baseline: float | None, target: float | None, current: float | None
) -> str | None:
    if None not in (baseline, target, current) and _reached(baseline or 0, target or 0, current or 0):
        return rng.choice(("Met", "Met", "Met", "Open"))
    if due < ORG_DAY_ZERO:
        return rng.choice(("Missed", "Missed", "Open", "Open", "Cancelled"))
    return rng.choice(("Open",) * 8 + ("Draft", "Cancelled", None))


def _reached(baseline: float, target: float, current: float) -> bool:
    return current >= target if target >= baseline else current <= target


def changed_objective(rng: random.Random, record: Record) -> dict[str, Value]:
    """Progress, another due date, another status, or a note."""
    what = rng.randrange(5)
    if what <= 1:
        return _progress(rng, record)
    if what == 2:
        due = some_day(rng, _DUE_FROM, _DUE_BEFORE).isoformat()
        return {"Due_Date__c": due if due != record["Due_Date__c"] else "2026-03-31"}
    if what == 3:
        return {"Status__c": other(rng, ("Open", "Open", "Met", "Missed", "Cancelled"), record["Status__c"])}
    note = f"{str(record['Notes__c'] or '')[:500]}\n{str(record['SystemModstamp'])[:10]}: reviewed."
    return {"Notes__c": note}


def _progress(rng: random.Random, record: Record) -> dict[str, Value]:
    step = _TYPES[str(record["Type__c"])].step
    current = record["Current__c"]
    known = float(current) if isinstance(current, int | float) and abs(current) < 10_000 else 0.0
    moved = round(known + step * rng.choice((-3, -1, 1, 1, 2, 3, 5)), 4)
    target = record["Target__c"]
    if rng.randrange(4) == 0 and target is not None and target != current:
        return {"Current__c": target, "Status__c": "Met"}
    return {"Current__c": moved if moved != current else round(moved + step, 4)}


def new_objective_hcp(number: int, objective_id: str | None, hcp_id: str | None) -> dict[str, Value]:
    """A professional tied to an objective."""
    return {
        "Name": f"OH-{number + 1:06d}",
        "Lab_Objective__c": None if number % 400 == 6 else objective_id,
        "HCP__c": None if number % 420 == 8 else hcp_id,
    }


def new_interaction(
    rng: random.Random, number: int, lab_id: str | None, people: tuple[str | None, str | None], moment: datetime
) -> dict[str, Value]:
    """A visit or call at `moment`; `people` are the ids of the professional, if any, and of the therapeutic area."""
    hcp_id, area_id = people
    hurting = is_hurting(number)
    turn = hurting_turn(number)
    topic, outcome, step = rng.choice(TOPICS), rng.choice(OUTCOMES), rng.choice(NEXT_STEPS)
    at_text: str | None = to_iso(moment)
    if hurting and number % 8 == 1:
        at_text = _EXTREME_TIMES[(number // 8) % 2]
    return {
        "Name": f"LI-{number + 1:08d}",
        "Lab__c": None if number % 180 == 12 else lab_id,
        "HCP__c": hcp_id,
        "Therapeutic_Area__c": area_id,
        "Channel__c": None if number % 350 == 16 else rng.choice(_CHANNEL_WHEEL),
        "Interaction_At__c": None if number % 500 == 17 else at_text,
        "Topic__c": hurting_text(turn + 5, LINE_LENGTH) if hurting and number % 3 == 0 else topic,
        "Outcome__c": hurting_text(turn, OUTCOME_LENGTH) if hurting else outcome,
        "Next_Step__c": hurting_text(turn + 9, LINE_LENGTH) if hurting and number % 3 == 1 else step,
        "Duration_Minutes__c": _EXTREME_MINUTES.get(number) if number % 25 == 18 else 5 * rng.randrange(1, 25),
    }


def changed_interaction(rng: random.Random, record: Record) -> dict[str, Value]:
    """The report is completed, or the time is put right."""
    what = rng.randrange(4)
    if what == 0:
        return {"Outcome__c": other(rng, OUTCOMES, record["Outcome__c"])}
    if what == 1:
        return {"Next_Step__c": other(rng, NEXT_STEPS, record["Next_Step__c"])}
    if what == 2:
        return {"Channel__c": other(rng, CHANNELS, record["Channel__c"])}
    minutes = 5 * rng.randrange(1, 25)
    return {"Duration_Minutes__c": minutes if minutes != record["Duration_Minutes__c"] else minutes + 5}


def working_moment(rng: random.Random, day: date) -> datetime:
    """A quarter of an hour of a working day."""
    return datetime(day.year, day.month, day.day, 7, tzinfo=UTC) + timedelta(minutes=15 * rng.randrange(44))
