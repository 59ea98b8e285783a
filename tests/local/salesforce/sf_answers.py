"""What the simulator answers, and what it should have, from its event log."""

import csv
import io

import requests

from local.salesforce.events import EventKind, iter_events
from tests.local.salesforce.sf_process import Simulator


def error_of(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an error answer, which has one error."""
    (error,) = answer.json()
    assert set(error) == {"message", "errorCode"}
    return answer.status_code, error["errorCode"]


def truth_of(simulator: Simulator, name: str) -> dict[str, dict[str, object]]:
    """The org's records now, folded from the log here."""
    now = simulator.get("/idiscover/clock").json()["now"]
    records: dict[str, dict[str, object]] = {}
    for event in iter_events(simulator.state_dir, name):
        if event.committed_at > now:
            continue
        if event.kind is EventKind.PURGE:
            del records[event.id]
        else:
            records[event.id] = {**records.get(event.id, {}), **event.values}
    return records


def read_pages(
    simulator: Simulator, job_id: object, delimiter: str = ",", **parameters: str
) -> list[list[dict[str, str]]]:
    """All pages by the locator chain, each checked against its own headers."""
    pages, locator = [], ""
    while locator != "null":
        more = {"locator": locator} if locator else {}
        answer = simulator.get(f"/jobs/query/{job_id}/results", **parameters, **more)
        assert answer.status_code == 200, answer.text
        rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), delimiter=delimiter))
        assert int(answer.headers["Sforce-NumberOfRecords"]) == len(rows)
        pages.append(rows)
        locator = answer.headers["Sforce-Locator"]
    return pages


def as_csv(value: object) -> str:
    """A text, boolean or null as Bulk writes it."""
    if value is None:
        return ""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
