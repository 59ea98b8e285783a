"""The extraction of an org that changes while it is read: the step's own code against the simulator over TLS.

What was read is held against the org's event log: the rows of a batch are those of one moment, none twice, none lost;
and what left a window while it was read stands in the next one.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import requests
from idiscover.errors import DataQualityError, RetriableError
from idiscover.lake.manifest import BatchFile, BatchManifest
from idiscover.plan.model import ReadMode
from idiscover.salesforce.session import SalesforceSession, open_session

import emr_jobs.pages
from emr_jobs.extraction import Progress, extract
from emr_jobs.pages import source_bucket
from local.salesforce.events import EventKind, iter_events
from local.salesforce.request_log import LoggedRead, ReadKind, iter_reads
from tests.integration.extraction_stack import API_VERSION, REGION, Aws, moto, request_for, simulator, utc
from tests.unit.emr_jobs.fakes import InProcess

OBJECT, SOBJECT = "testing_volume", "Testing_Volume__c"
START, END = utc("2000-01-01T00:00"), utc("2026-01-06T00:00")
LOOKBACK = timedelta(minutes=720)  # of metadata/delta_filter/testing_volume.yaml
LATE = "2026-01-05T18:00:00Z"  # in the window, and no further before its end than the lookback reaches
IN_WINDOW = ["2000-01-01T00:00:00Z", "2026-01-06T00:00:00Z"]

Versions = dict[str, str]  # Id → SystemModstamp


@dataclass
class LiveOrg:
    """The simulator as its reader and its users see it."""

    url: str
    state_dir: Path
    aws: Aws
    session: SalesforceSession
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    log: list[str] = field(default_factory=list)

    def plan(self, on: str, nth: int, *changes: dict[str, object]) -> None:
        """Have changes committed at the `nth` such moment from now on."""
        http = requests.Session()
        http.trust_env, http.verify = False, str(self.state_dir / "tls" / "ca.pem")
        body = {"object": SOBJECT, "on": on, "nth": nth, "changes": list(changes)}
        http.post(f"{self.url}/idiscover/live", json=body, timeout=30).raise_for_status()

    def read(self, start: datetime = START, end: datetime = END, mode: ReadMode = ReadMode.WINDOW) -> BatchManifest:
        """One extraction, as the step makes it; its pages are read in this process."""
        request = request_for(OBJECT, start, end, f"{OBJECT}-{next(self.numbers)}")
        window = request.window.model_copy(update={"read_mode": mode})
        request = request.model_copy(update={"window": window})
        self.log.clear()
        return extract(request, self.session, source_bucket(request), InProcess(), Progress(), self.log.append)

    def read_next(self) -> BatchManifest:
        """The window after the one that ends at `END`, up to the org's now."""
        return self.read(END - LOOKBACK, self.session.org_now() + timedelta(seconds=1))

    def rows(self, files: tuple[BatchFile, ...]) -> list[dict[str, str]]:
        """All rows of a batch's files."""
        texts = [gzip.decompress(self.aws.read(file.key)).decode() for file in files]
        return [row for text in texts for row in csv.DictReader(io.StringIO(text, newline=""))]

    def versions(self, manifest: BatchManifest) -> Versions:
        """What the batch holds. No record may be in it twice."""
        rows = self.rows(manifest.files)
        found = {row["id"]: row["system_modstamp"] for row in rows}
        assert len(found) == len(rows) == manifest.rows
        return found

    def jobs(self) -> list[LoggedRead]:
        """The query jobs that the org has run so far."""
        return [read for read in iter_reads(self.state_dir) if read.kind is ReadKind.BULK and read.object == SOBJECT]

    def versions_at(self, moment: str) -> Versions:
        """What the org held at a moment, from its event log alone; deleted records count, purged ones do not."""
        found: Versions = {}
        for event in iter_events(self.state_dir, SOBJECT):
            if event.committed_at > moment:
                continue
            if event.kind is EventKind.PURGE:
                del found[event.id]
            else:
                found[event.id] = str(event.values["SystemModstamp"])
        return found

    def window_at(self, moment: str) -> Versions:
        """Of those, what lies in [START, END)."""
        return {id_: stamp for id_, stamp in self.versions_at(moment).items() if stamp < _text(END)}


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveOrg]:
    state = tmp_path_factory.mktemp("moving") / "org"
    with simulator(state, "--page-rows", "150") as url, moto() as aws, pytest.MonkeyPatch.context() as patch:
        credentials = json.loads((state / "credentials.json").read_text())
        secret = {"grant_type": "jwt", **credentials}
        aws.put_secret("sf", secret)
        aws.put_secret("s3", {"access_key_id": "testing", "secret_access_key": "testing"})
        patch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("REQUESTS_CA_BUNDLE", str(state / "tls" / "ca.pem"))
        for kept in ("_sessions", "_buckets"):  # of workers; another test's would lead to another org
            patch.setattr(emr_jobs.pages, kept, {})
        yield LiveOrg(url, state, aws, open_session(secret, API_VERSION))


# Changes of the window, and by how much they change its COUNT().
CHANGES: dict[str, tuple[dict[str, object], int]] = {
    "inserted late": ({"kind": "insert", "records": 2, "system_modstamp": LATE}, 2),
    "inserted after the window": ({"kind": "insert", "records": 2}, 0),
    "updated out of the window": ({"kind": "update", "records": 3, "modified": IN_WINDOW}, -3),
    "updated late": ({"kind": "update", "records": 3, "modified": IN_WINDOW, "system_modstamp": LATE}, 0),
    "deleted": ({"kind": "delete", "records": 2, "modified": IN_WINDOW}, -2),
    "purged": ({"kind": "purge", "records": 2, "modified": IN_WINDOW}, -2),
}
MOMENTS: dict[str, tuple[str, int]] = {
    "before the first COUNT()": ("count", 1),
    "between COUNT() and job": ("job", 1),
    "while the job runs": ("running", 1),
    "between two pages": ("page", 2),
    "between pages and COUNT()": ("count", 2),
}


# Whatever changes, before and after the job's look at the org; and one change at every other moment.
SCENES = [
    *((change, moment) for change in CHANGES for moment in ("between COUNT() and job", "between pages and COUNT()")),
    *(("updated out of the window", moment) for moment in MOMENTS if not moment.startswith("between")),
    ("purged", "between two pages"),
]


@pytest.mark.parametrize(("change", "moment"), SCENES)
def test_what_changes_while_it_is_read(org: LiveOrg, change: str, moment: str) -> None:
    what, difference = CHANGES[change]
    org.plan(*MOMENTS[moment], what)
    jobs_before = len(org.jobs())
    manifest = org.read()
    is_seen = difference != 0 and moment != "before the first COUNT()"
    assert manifest.reads == len(org.jobs()) - jobs_before == (2 if is_seen else 1)
    assert manifest.counts.count_before == manifest.counts.count_after == manifest.rows
    _assert_is_a_snapshot(org, manifest)
    _assert_the_next_window_has_the_rest(org, manifest)


def _assert_is_a_snapshot(org: LiveOrg, manifest: BatchManifest) -> None:
    """The files hold the window as it was when the last job looked at the org, whole."""
    job = org.jobs()[-1]
    assert (job.job_id,) == manifest.job_ids and job.rows == manifest.rows
    assert org.versions(manifest) == org.window_at(job.org_time)
    assert len(manifest.files) > 2, "several pages"


def _assert_the_next_window_has_the_rest(org: LiveOrg, manifest: BatchManifest) -> None:
    """Both batches together hold the newest version of every record that is there; others were purged since."""
    held = org.versions(manifest)
    later = org.versions(org.read_next())
    newest = {id_: max(held.get(id_, ""), later.get(id_, "")) for id_ in held.keys() | later.keys()}
    there = org.versions_at(org.jobs()[-1].org_time)
    assert {id_: newest.get(id_) for id_ in there} == there
    purged = {event.id for event in iter_events(org.state_dir, SOBJECT) if event.kind is EventKind.PURGE}
    assert newest.keys() - there.keys() <= purged


def test_an_org_that_stays_within_its_counts_is_taken_after_three_reads(org: LiveOrg) -> None:
    """Rows leave the window during each read: the last one is taken, for what left it is in the next window."""
    for read in (1, 2, 3):
        org.plan("count", 2 * read, {"kind": "update", "records": 2, "modified": IN_WINDOW})
    manifest = org.read()
    assert manifest.reads == 3
    assert manifest.counts.count_before == manifest.rows == manifest.counts.count_after + 2
    _assert_is_a_snapshot(org, manifest)
    _assert_the_next_window_has_the_rest(org, manifest)


def test_an_org_that_moves_both_ways_in_each_of_three_reads_is_left_for_later(org: LiveOrg) -> None:
    """More rows arrive than either COUNT() saw: which of them the window has, nobody can say."""
    for read in (1, 2, 3):
        org.plan("job", read, {"kind": "insert", "records": 2, "system_modstamp": LATE})
        org.plan("count", 2 * read, {"kind": "purge", "records": 3, "modified": IN_WINDOW})
    jobs_before = len(org.jobs())
    with pytest.raises(RetriableError, match="changes while it is read, and its counts do not agree"):
        org.read()
    assert len(org.jobs()) - jobs_before == 3
    again = org.read()  # what a retry does, and now the org is quiet
    assert again.reads == 1
    _assert_is_a_snapshot(org, again)
    _assert_the_next_window_has_the_rest(org, again)


def test_counts_that_agree_with_each_other_but_not_with_what_arrived_need_a_person(org: LiveOrg) -> None:
    """Two rows come and two go, so that nothing seems to have moved: rather a wrong alarm than an unseen loss."""
    org.plan("job", 1, {"kind": "insert", "records": 2, "system_modstamp": LATE})
    org.plan("count", 2, {"kind": "purge", "records": 2, "modified": IN_WINDOW})
    keys_before = set(org.aws.keys("source/"))
    with pytest.raises(DataQualityError, match=r"COUNT\(\) and the rows that arrived differ") as refused:
        org.read()
    before, after, job, parsed = _numbers(refused.value)
    assert before == after and job == parsed == before + 2
    written = set(org.aws.keys("source/")) - keys_before
    assert written and not any(key.endswith("manifest.json") for key in written), "without a manifest, no batch"


def _numbers(error: DataQualityError) -> tuple[int, ...]:
    words = str(error.got).replace(",", "").split()
    return tuple(int(words[words.index(name) + 1]) for name in ("before", "after", "job", "parsed"))


# -- whole reads and Id sweeps --------------------------------------------------------------------

ABSENCES: dict[str, tuple[str, int, dict[str, object]]] = {
    "purged between rows and Ids": ("count", 3, {"kind": "purge", "records": 2, "modified": IN_WINDOW}),
    "purged while the Ids' job begins": ("job", 2, {"kind": "purge", "records": 2, "modified": IN_WINDOW}),
    "purged after the Ids' job": ("count", 4, {"kind": "purge", "records": 2, "modified": IN_WINDOW}),
    "inserted while the Ids' job begins": ("job", 2, {"kind": "insert", "records": 2}),
    "inserted after the Ids' job": ("count", 4, {"kind": "insert", "records": 2}),
}


@pytest.mark.parametrize("name", ABSENCES)
def test_a_sweep_of_ids_on_a_moving_org(org: LiveOrg, name: str) -> None:
    """What the sweep calls dead is gone; what is gone and not yet dead, the next sweep finds; nothing else is lost."""
    moment, nth, what = ABSENCES[name]
    org.plan(moment, nth, what)
    first = org.read(mode=ReadMode.WINDOW_AND_IDS)
    alive = _alive(org, first)
    purged = {event.id for event in iter_events(org.state_dir, SOBJECT) if event.kind is EventKind.PURGE}
    in_window = org.window_at(org.jobs()[-1].org_time)
    assert in_window.items() <= alive.items(), "no record that is there was called dead"
    assert alive.keys() - in_window.keys() <= purged
    second = org.read(mode=ReadMode.WINDOW_AND_IDS)
    assert _alive(org, second) == org.window_at(org.jobs()[-1].org_time), "the org was quiet"


def test_a_whole_read_on_a_moving_org(org: LiveOrg) -> None:
    org.plan("job", 1, {"kind": "purge", "records": 2}, {"kind": "insert", "records": 3})
    manifest = org.read(mode=ReadMode.WHOLE)
    assert manifest.reads == 2 and manifest.absence_at_utc is not None
    assert org.versions(manifest) == org.versions_at(org.jobs()[-1].org_time)


def _alive(org: LiveOrg, manifest: BatchManifest) -> Versions:
    """The batch's versions but those that its own sweep calls dead: older than its beginning, and not among its Ids."""
    assert manifest.ids is not None and manifest.absence_at_utc is not None
    ids = {row["id"] for row in org.rows(manifest.ids.files)}
    assert len(ids) == manifest.ids.counts.parsed_rows
    begun = _text(manifest.absence_at_utc)
    read_before = manifest.read_at_utc < manifest.absence_at_utc
    return {
        id_: stamp for id_, stamp in org.versions(manifest).items() if id_ in ids or not (stamp < begun and read_before)
    }
