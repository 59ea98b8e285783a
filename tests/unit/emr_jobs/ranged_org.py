"""An org with one object whose queries are answered by what they ask for: ranges of Ids, jobs with states, REST."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.unit.emr_jobs.fakes import JOBS
from tests.unit.salesforce.fake_org import DATA, FakeOrg, Reply, Seen, as_json, fault

PAGE_ROWS = 2
_REST_ROWS = 3


@dataclass
class RangedOrg:
    """`states` of a job number are told one after the other, the last one for ever; without any, it is complete."""

    ids: Sequence[str]
    states: dict[int, list[tuple[str, str]]] = field(default_factory=dict)  # (state, errorMessage)
    slow: int | None = None  # a query over more rows times out
    is_in_bulk: bool = True
    broken_pages: set[str] = field(default_factory=set)  # (job number)-(first row)
    gone: set[int] = field(default_factory=set)
    queries: list[str] = field(default_factory=list)  # of the jobs
    pages_read: list[str] = field(default_factory=list)

    def serve(self, org: FakeOrg) -> None:
        """Put it behind the org's addresses."""
        org.routes[f"{DATA}/limits/"] = lambda _seen: as_json({"DailyApiRequests": {"Max": 1, "Remaining": 1}})
        org.routes[f"{DATA}/queryAll/"] = self._query
        org.routes[JOBS] = lambda seen: self._create(org, seen)

    def selected(self, query: str) -> list[str]:
        """The Ids that a query asks for."""
        low, high = re.search(r"Id >= '(\w+)'", query), re.search(r"Id < '(\w+)'", query)
        return [
            item for item in self.ids if (low is None or item[:15] >= low[1]) and (high is None or item[:15] < high[1])
        ]

    def _query(self, seen: Seen) -> Reply:
        query = seen.query["q"]
        found = self.selected(query)
        if "ORDER BY" in query:
            found = sorted(found, reverse="DESC" in query)[:1]
        if self.slow is not None and len(found) > self.slow:
            return fault(400, "QUERY_TIMEOUT", "Your query request was running for too long.")
        if "COUNT()" in query:
            return as_json({"totalSize": len(found), "done": True, "records": []})
        return self._rest(seen, found)

    def _rest(self, seen: Seen, found: list[str]) -> Reply:
        first = int(seen.query.get("from", 0))
        records = [
            {"Id": item, "Name": f"Lab {item}", "SystemModstamp": "2026-01-05T00:00:00.000+0000"}
            for item in found[first : first + _REST_ROWS]
        ]
        answer: dict[str, object] = {"totalSize": len(found), "records": records}
        if first + _REST_ROWS < len(found):
            answer["nextRecordsUrl"] = f"{DATA}/queryAll/?from={first + _REST_ROWS}&q={seen.query['q']}"
        return as_json(answer)

    def _create(self, org: FakeOrg, seen: Seen) -> Reply:
        if not self.is_in_bulk:
            return fault(400, "INVALIDENTITY", "Entity 'Account' is not supported by the Bulk API.")
        number, query = len(self.queries), seen.json["query"]
        self.queries.append(query)
        rows, path = self.selected(query), f"{JOBS}/750{number}"
        if self.slow is not None and len(rows) > self.slow:
            self.states[number] = [("InProgress", ""), ("Failed", "QUERY_TIMEOUT: running for too long.")]
        org.routes[path] = lambda seen: self._job(number, len(rows), seen)
        org.routes[f"{path}/results"] = lambda seen: self._page(number, rows, seen)
        starts = range(0, len(rows), PAGE_ROWS)
        pages = {"resultPages": [{"resultUrl": f"{path}/results?locator={start}"} for start in starts], "done": True}
        org.routes[f"{path}/resultPages"] = lambda _seen: as_json(pages)
        return as_json({"id": f"750{number}", "state": "UploadComplete"})

    def _job(self, number: int, rows: int, seen: Seen) -> Reply:
        if number in self.gone:
            return fault(404, "NOT_FOUND")
        if seen.method != "GET":
            return Reply(204, b"{}") if seen.method == "DELETE" else as_json({"id": f"750{number}", "state": "Aborted"})
        states = self.states.get(number, [("JobComplete", "")])
        state, error = states.pop(0) if len(states) > 1 else states[0]
        return as_json({"id": f"750{number}", "state": state, "numberRecordsProcessed": rows, "errorMessage": error})

    def _page(self, number: int, rows: list[str], seen: Seen) -> Reply:
        first = int(seen.query["locator"])
        name = f"{number}-{first}"
        if name in self.broken_pages:
            return fault(403, "INSUFFICIENT_ACCESS", "not for this user")
        self.pages_read.append(name)
        part = rows[first : first + PAGE_ROWS]
        lines = ['"Id","Name","SystemModstamp"']
        lines += [f'"{item}","Lab {item}","2026-01-05T00:00:00.000Z"' for item in part]
        headers = {"Sforce-Locator": "null", "Sforce-NumberOfRecords": str(len(part))}
        return Reply(200, ("\n".join(lines) + "\n").encode(), headers)


def methods(org: FakeOrg, job_number: int) -> list[str]:
    """How a job was asked for, GET left out."""
    return [seen.method for seen in org.asked(f"{JOBS}/750{job_number}") if seen.method != "GET"]
