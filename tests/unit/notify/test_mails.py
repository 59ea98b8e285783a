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
from idiscover.notify.mails import (
    SUBJECT_LENGTH,
    ExtractionResult,
    Mail,
    Outcome,
    TaskFailure,
    TaskReport,
    failure_mail,
    recipients,
    start_mail,
    termination_mail,
)

from tests.unit.notify.examples import EXTRACTION, LOAD, MANIFEST, OWNER, REFRESH, REQUEST, RUN, request

GOLDEN = Path(__file__).parent / "golden"
LOGS = "s3://data-bucket/emr-logs/j-1/steps/s-1/"
STEP_FAILED = (
    TaskFailure(
        task_id="emr_tasks.watch_steps",
        state="failed",
        reason="step s-1 FAILED for reason Counts differ with message parsed <11> & job 12 and log file s3://l/x",
    ),
)


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


REFUSED = (
    TaskFailure(task_id="send_email_cluster_start", state="failed", reason="Salesforce answers 503\n  got: {{ x }}"),
    TaskFailure(task_id="emr_tasks.create_cluster", state="upstream_failed"),
)
TERMINATION_FAILED = (TaskFailure(task_id="emr_tasks.terminate_cluster", state="failed", reason="throttled"),)
MAILS: dict[str, Mail] = {
    "start": start_mail(REQUEST, EXTRACTION),
    "start_empty_window": start_mail(
        request(datetime(2026, 1, 6, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)), EXTRACTION
    ),
    "termination_ok": termination_mail(result(), EXTRACTION),
    "termination_step_failed": termination_mail(result(manifest=None, failures=STEP_FAILED), EXTRACTION),
    "termination_no_request": termination_mail(
        result(request=None, manifest=None, failures=REFUSED, cluster_id=None, duration_seconds=None), EXTRACTION
    ),
    "termination_cluster_left": termination_mail(result(failures=TERMINATION_FAILED), EXTRACTION),
    "failure_load": failure_mail(
        TaskReport(run=RUN, task_id="copy", try_number=3, reason="rows differ: 3 <> 4", log_uri="http://log"), LOAD
    ),
    "failure_refresh": failure_mail(
        TaskReport(
            run=RUN, task_id="t1.call", try_number=3, reason="deadlock", log_uri="http://log", countries=("DE", "FR")
        ),
        REFRESH,
    ),
    "failure_end": failure_mail(
        TaskReport(run=RUN, task_id="end", try_number=3, reason="no connection", log_uri="http://log"), EXTRACTION
    ),
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
    failures = (TaskFailure(task_id="emr_tasks.create_cluster", state="failed", reason=f"<script>{reason}"),)
    mail = termination_mail(result(manifest=None, failures=failures, cluster_id=cluster), EXTRACTION)
    assert Cells(mail.html).tags <= OUR_TAGS
    assert len(mail.subject.splitlines()) == 1


@given(st.from_regex(r"[A-Za-z0-9 .,<>&]{1,60}", fullmatch=True))
def test_html_and_text_say_the_same(message: str) -> None:
    mail = failure_mail(TaskReport(run=RUN, task_id="copy", try_number=1, reason=message, log_uri="x"), LOAD)
    cells = Cells(mail.html).cells
    for label, value in zip(cells[::2], cells[1::2], strict=True):
        assert re.search(rf"^{label}: *{re.escape(value)}", mail.text, re.MULTILINE), (label, value)


def test_the_subject_says_how_it_ended() -> None:
    assert MAILS["termination_ok"].subject == "[iDiscover test] account 2026-01-05: extraction OK"
    assert MAILS["termination_step_failed"].subject.endswith("FAILED")
    assert result(manifest=None).outcome is Outcome.FAILED, (
        "a run without a batch is no success, whatever its tasks say"
    )


def test_a_subject_is_one_line_of_bounded_length() -> None:
    report = TaskReport(run=RUN, task_id="a\r\nBcc: all@example.com " + "x" * 300, try_number=1, reason="", log_uri="x")
    subject = failure_mail(report, LOAD).subject
    assert "\n" not in subject and "\r" not in subject and len(subject) <= SUBJECT_LENGTH


def test_a_long_reason_is_cut_and_says_so() -> None:
    report = TaskReport(run=RUN, task_id="copy", try_number=1, reason="x" * 50_000, log_uri="http://log")
    mail = failure_mail(report, LOAD)
    assert len(mail.text) < 6_000 and "the log has all of it" in mail.text


def test_no_mail_holds_a_credential_or_the_name_of_one() -> None:
    reason = "connect failed: host=x password=hunter2 user=y; Authorization: Bearer 00Dxx0000000001!AQEAQ.abcdefgh"
    report = TaskReport(run=RUN, task_id="copy", try_number=1, reason=reason, log_uri="http://log")
    mail = failure_mail(report, LOAD)
    assert "hunter2" not in mail.text + mail.html and "AQEAQ" not in mail.text + mail.html
    for mail in MAILS.values():
        assert "s/sf" not in mail.text + mail.html


def test_the_owner_is_told_once() -> None:
    assert recipients(EXTRACTION) == ("ops@example.com", OWNER.email)
