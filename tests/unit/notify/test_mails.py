"""Mails against golden files, and what no mail may ever hold.

A golden file is changed by hand or with `IDISCOVER_WRITE_GOLDEN=1`, and read in review either way.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.aws.check_runs import refusal
from idiscover.aws.job_metadata_checks import CheckResult
from idiscover.errors import ConfigError, DataQualityError, IdiscoverError, NextRunError, RetriableError
from idiscover.notify.failures import FailedTask, RunFailure, failure_of
from idiscover.notify.mails import (
    SUBJECT_LENGTH,
    FailedCheck,
    Mail,
    check_warning_mail,
    extraction_failure_mail,
    failure_mail,
    recipients,
    start_mail,
    success_mail,
)
from idiscover.notify.run_failures import (
    ExtractionResult,
    consumer_failure,
    extraction_failure,
    unregistered_failure,
)
from idiscover.plan.model import LoadPlan, RefreshPlan, RunKind

from tests.unit.notify.examples import EXTRACTION, LOAD, MANIFEST, OWNER, REFRESH, REQUEST, RUN, request

GOLDEN = Path(__file__).parent / "golden"
LOGS = "s3://data-bucket/emr-logs/j-1/steps/s-1/"
TASK_LOG = "http://airflow/dags/d/runs/r/tasks/t"


def failed(task_id: str, error: Exception | None, tries: int | None = 1, **more: object) -> FailedTask:
    """A task that failed with `error`; None: its process was killed."""
    told = None if error is None else failure_of(error)
    log = {} if error is None else {"log_uri": TASK_LOG}
    return FailedTask.model_validate(
        {"task_id": task_id, "state": "failed", "failure": told, "tries": tries, **log, **more}
    )


def not_run(task_id: str) -> FailedTask:
    return FailedTask(task_id=task_id, state="upstream_failed")


def result(**changes: object) -> ExtractionResult:
    plain = {
        "run": RUN,
        "request": REQUEST,
        "manifest": MANIFEST,
        "failures": (),
        "cluster_id": "j-1",
        "duration_seconds": 372.4,
        "log_uri": LOGS,
    }
    return ExtractionResult.model_validate(plain | changes)


def of_kind(kind: RunKind) -> object:
    return REQUEST.model_copy(update={"window": REQUEST.window.model_copy(update={"run_kind": kind})})


COUNTS_DIFFER = DataQualityError(
    "the step failed with DataQualityError: The job's rows and the rows that arrived differ",
    where="step s-1; Account, batch account-20260105-0f3a4b5c6d7e",
    got="COUNT() before 12, after 12, job 12, page headers unknown, parsed <11>",
    expected="equal numbers",
    remedy="run it again; if the numbers stay, compare the query with the org",
)
UNAVAILABLE = RetriableError(
    "the step failed with RetriableError: Salesforce is not available: POST /services/data/v62.0/jobs/query",
    where="step s-3",
    got="503 SERVER_UNAVAILABLE: {{ come back }}",
    remedy="run it again later; status.salesforce.com tells of outages",
)
SECRET = ConfigError("AWS refuses", where="secret s/sf", got="AccessDenied", remedy="grant this role the right")
THROTTLED = RetriableError("AWS is busy", where="EMR, terminate_cluster", got="ThrottlingException, status 400")
COPY_REFUSES = DataQualityError(
    "COPY refuses rows; nothing was loaded",
    where="stg.account",
    got="s3://b/part-00000.csv.gz line 4, column name, 90 bytes for varchar(80): String length exceeds DDL length",
    remedy="correct the field's length in metadata and run the load again",
)
DEADLOCK = RetriableError("a transaction did not get through", where="itg.account", got="40P01: deadlock detected")
GONE = NextRunError("the run's claim was given back or has lapsed", where="itg.account", remedy="clear from t1.slices")
NO_COUNTRY = DataQualityError("a procedure refuses to go on", where="itg.account, country XX", got="P0001: XX is no …")
QUERY = """\
select cast(id as varchar) as sample_key
from itg.account
where
    _country_code in ('DE', 'FR')
    and name is null"""
CHECKS_FAILED = [
    CheckResult("unique_key", "unique_key", "fail"),
    CheckResult("not_null_name", "not_null", "fail", 1234, tuple(f"001000000000{n:03}AAA" for n in range(10)), QUERY),
    CheckResult("fresh", "freshness", "warn", 1, ("DE: newest 2025-12-01",), "select 1"),
]
WARNINGS = [
    FailedCheck(name="not_null_name", countries=("DE", "FR"), told="1 found: 001000000000000AAA", query=QUERY)
] * 11

WATCH = "emr_tasks.watch_steps"
EXTRACTIONS: dict[str, ExtractionResult] = {
    "step_needs_a_person": result(manifest=None, failures=(failed(WATCH, COUNTS_DIFFER, log_uri=LOGS),)),
    "step_passing": result(manifest=None, failures=(failed(WATCH, UNAVAILABLE, 3, log_uri=LOGS),)),
    "step_passing_of_backfill": result(
        manifest=None, failures=(failed(WATCH, UNAVAILABLE, 3, log_uri=LOGS),), request=of_kind(RunKind.BACKFILL)
    ),
    "no_request": result(
        request=None,
        manifest=None,
        failures=(failed("send_email_cluster_start", SECRET), not_run("emr_tasks.create_cluster"), not_run(WATCH)),
        cluster_id=None,
        duration_seconds=None,
    ),
    "cluster_left": result(failures=(failed("emr_tasks.terminate_cluster", THROTTLED, 3),)),
    "cluster_shared": result(
        manifest=None,
        failures=(failed(WATCH, UNAVAILABLE, 3, log_uri=LOGS),),
        is_shared=True,
        used_by=tuple(
            f"sfdc_to_s3__{name}" for name in ("biomarker", "product", "territory", "sf_user", "lab_objective")
        ),
    ),
    "killed": result(manifest=None, failures=(failed(WATCH, None, None),)),
    "ended_by_hand": result(
        manifest=None,
        failures=(
            FailedTask(task_id="emr_tasks.add_steps", state="skipped"),
            FailedTask(task_id=WATCH, state="skipped"),
        ),
    ),
    "no_manifest": result(manifest=None),
}


def mail_of(of: ExtractionResult) -> Mail:
    return extraction_failure_mail(extraction_failure(of, EXTRACTION), of, EXTRACTION)


def consumer_mail(plan: LoadPlan | RefreshPlan, *tasks: FailedTask) -> Mail:
    return failure_mail(consumer_failure(RUN, tasks, plan, TASK_LOG), plan)


MAILS: dict[str, Mail] = {
    "start": start_mail(REQUEST, EXTRACTION),
    "start_news": start_mail(
        REQUEST,
        EXTRACTION,
        news=("Mail__c is new: email(80); not taken up: it may be personal: type email",),
        taken=("Rank__c", "Tier__c"),
    ),
    "start_empty_window": start_mail(
        request(datetime(2026, 1, 6, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)), EXTRACTION
    ),
    "extraction_ok": success_mail(result(), EXTRACTION),
    **{f"extraction_{name}": mail_of(of) for name, of in EXTRACTIONS.items()},
    "extraction_unregistered": failure_mail(
        unregistered_failure(RUN, (failed("end", DEADLOCK, 3),), EXTRACTION, TASK_LOG), EXTRACTION
    ),
    "load_needs_a_person": consumer_mail(LOAD, failed("copy", COPY_REFUSES)),
    "load_passing": consumer_mail(LOAD, failed("end", DEADLOCK, 3)),
    "load_killed": consumer_mail(LOAD, failed("copy", None, 3, log_uri=TASK_LOG)),
    "refresh_passing": consumer_mail(REFRESH, failed("t1.call", GONE, countries=("DE", "FR"))),
    "refresh_mixed": consumer_mail(
        REFRESH,
        failed("t1.call", DEADLOCK, 3, countries=("DE", "FR")),
        failed("t1.call", NO_COUNTRY, countries=("XX",)),
    ),
    "refresh_check_failed": consumer_mail(
        REFRESH, failed("t1.call", refusal(REFRESH, ("DE", "FR"), CHECKS_FAILED), countries=("DE", "FR"))
    ),
    "refresh_check_warns": check_warning_mail(REFRESH, RUN.run_id, WARNINGS),
    "refresh_unforeseen": consumer_mail(REFRESH, failed("end", KeyError("claim_id"), 3)),
}


@pytest.mark.parametrize("name", sorted(MAILS))
@pytest.mark.parametrize("part", ["text", "html"])
def test_golden(name: str, part: str) -> None:
    mail = MAILS[name]
    got = f"Subject: {mail.subject}\n\n{mail.text}" if part == "text" else mail.html
    path = GOLDEN / f"{name}.{'txt' if part == 'text' else 'html'}"
    if os.environ.get("IDISCOVER_WRITE_GOLDEN"):
        path.write_text(got, encoding="utf-8")
    assert got == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(MAILS)


class Cells(HTMLParser):
    """Text of the table's cells, and every tag that was seen."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("th", "td"):
            self._inside = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


OUR_TAGS = {"html", "head", "meta", "title", "body", "h2", "table", "tr", "th", "td", "p"}


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_no_text_becomes_markup_or_a_header(reason: str, cluster: str) -> None:
    task = failed("emr_tasks.create_cluster", IdiscoverError(f"<script>{reason}"))
    mail = mail_of(result(manifest=None, failures=(task,), cluster_id=cluster))
    assert Cells(mail.html).tags <= OUR_TAGS
    assert len(mail.subject.splitlines()) == 1


@given(st.from_regex(r"[A-Za-z0-9 .,<>&]{1,60}", fullmatch=True))
def test_html_and_text_say_the_same(message: str) -> None:
    mail = consumer_mail(LOAD, failed("copy", IdiscoverError(message)))
    cells = Cells(mail.html).cells
    for label, value in zip(cells[::2], cells[1::2], strict=True):
        assert re.search(rf"^{label}: *{re.escape(value)}", mail.text, re.MULTILINE), (label, value)


def test_the_subject_says_how_it_ended_and_whether_somebody_is_needed() -> None:
    subjects = {name: mail.subject.removeprefix("[iDiscover test] ") for name, mail in MAILS.items()}
    assert subjects["extraction_ok"] == "account 2026-01-05: extraction OK"
    assert subjects["extraction_step_passing"] == "account 2026-01-05: extraction FAILED (passing)"
    assert subjects["extraction_step_needs_a_person"] == "account 2026-01-05: extraction FAILED (needs a person)"
    assert subjects["extraction_no_request"] == "account: extraction FAILED (needs a person)"
    assert subjects["load_killed"] == "s3_to_redshift__account: copy FAILED (passing)"
    assert subjects["refresh_mixed"] == "stg_to_itg__account: t1.call FAILED (needs a person)"


def test_every_failure_mail_says_the_same_things() -> None:
    for name, mail in MAILS.items():
        if "FAILED" in mail.subject:
            labels = re.findall(r"^([A-Z][A-Za-z() ]+): ", mail.text.split("\n\n", 1)[1], re.MULTILINE)
            assert labels[:2] == ["Outcome", "Fault"] and labels[-3:] == ["By itself", "To do", "Logs"], name
            assert "Failed" in labels, name


def test_a_run_without_a_batch_is_no_success() -> None:
    assert result(manifest=None).is_failure, "whatever its tasks say"
    assert not result().is_failure


def test_broken_rows_are_told_with_their_place() -> None:
    files = [MANIFEST.files[0].model_copy(update={"key": f"quarantine/account/b/{n}.csv.gz"}) for n in range(5)]
    counts = MANIFEST.counts.model_copy(update={"quarantined": 1234})
    manifest = MANIFEST.model_copy(update={"quarantine": tuple(files), "counts": counts})
    text = success_mail(result(manifest=manifest), EXTRACTION).text
    assert "1,234 break their contract and are not in the batch" in text
    assert "quarantine/account/b/2.csv.gz" in text and "and 2 more files" in text and "b/3.csv.gz" not in text
    assert "Broken rows" not in success_mail(result(), EXTRACTION).text


def test_a_subject_is_one_line_of_bounded_length() -> None:
    task = failed("a\r\nBcc: all@example.com " + "x" * 300, IdiscoverError("y"))
    subject = consumer_mail(LOAD, task).subject
    assert "\n" not in subject and "\r" not in subject and len(subject) <= SUBJECT_LENGTH


def test_a_long_reason_is_cut_and_says_so() -> None:
    mail = consumer_mail(LOAD, failed("copy", IdiscoverError("x" * 50_000)))
    assert len(mail.text) < 6_000 and "the log has all of it" in mail.text


def test_no_mail_holds_a_credential() -> None:
    reason = "connect failed: host=x password=hunter2 user=y; Authorization: Bearer 00Dxx0000000001!AQEAQ.abcdefgh"
    task = failed("copy", IdiscoverError(reason, got=reason, remedy=reason))
    mail = consumer_mail(LOAD, task)
    document = consumer_failure(RUN, [task], LOAD, TASK_LOG).model_dump_json()
    for text in (mail.text, mail.html, document):
        assert "hunter2" not in text and "AQEAQ" not in text


def test_the_document_says_what_the_mail_says() -> None:
    failure = extraction_failure(EXTRACTIONS["step_passing"], EXTRACTION)
    again = RunFailure.model_validate_json(failure.model_dump_json())
    assert again == failure
    assert mail_of(EXTRACTIONS["step_passing"]) == extraction_failure_mail(
        again, EXTRACTIONS["step_passing"], EXTRACTION
    )


def test_the_owner_is_told_once() -> None:
    assert recipients(EXTRACTION) == ("ops@example.com", OWNER.email)


def test_what_the_person_has_said_stands_in_every_mail_of_the_run() -> None:
    window = REQUEST.window.model_copy(update={"countries": ("DE", "GB"), "reason": "incident <4711>"})
    asked = REQUEST.model_copy(update={"window": window})
    run = RUN.model_copy(update={"reason": "incident <4711>"})
    failure = consumer_failure(run, [failed("t1.call", COUNTS_DIFFER)], REFRESH, TASK_LOG)
    mails = (
        start_mail(asked, EXTRACTION),
        success_mail(result(request=asked), EXTRACTION),
        failure_mail(failure, REFRESH),
    )
    for mail in mails:
        assert "incident <4711>" in mail.text and "incident &lt;4711&gt;" in mail.html
    assert all("DE, GB alone; the watermark stays" in mail.text for mail in mails[:2])
    assert "Reason" not in start_mail(REQUEST, EXTRACTION).text
