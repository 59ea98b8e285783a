"""Subjects and bodies of the platform's e-mails. Pure.

Every mail is a headline, a list of facts and, where something went wrong, what a person should do.
It is rendered as text and as HTML from the same facts; values are redacted, then escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from html import escape

from pydantic import BaseModel, ConfigDict

from idiscover.lake.manifest import BatchManifest
from idiscover.notify.redaction import redact
from idiscover.plan.model import ExtractionPlan, ExtractionRequest, LoadPlan, RefreshPlan, RunIdentity

SUBJECT_LENGTH = 200  # characters; some relays fold or cut longer ones
REASON_LENGTH = 4000  # characters of one reason

CLEAR_REMEDY = "clear from create_cluster with downstream"


class _NotifyModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mail(_NotifyModel):
    """One e-mail, as text and as HTML."""

    subject: str
    html: str
    text: str


class Outcome(StrEnum):
    """How an extraction ended."""

    OK = "OK"
    FAILED = "FAILED"


class TaskFailure(_NotifyModel):
    """A task that did not do its work; `reason` is empty where nothing was recorded."""

    task_id: str
    state: str
    reason: str = ""


class ExtractionResult(_NotifyModel):
    """What is known about an extraction when its cluster is gone.

    `request` is None if the run failed before its window was frozen, `manifest` if no batch stands.
    """

    run: RunIdentity
    request: ExtractionRequest | None
    manifest: BatchManifest | None
    failures: tuple[TaskFailure, ...]
    cluster_id: str | None
    duration_seconds: float | None
    log_uri: str

    @property
    def outcome(self) -> Outcome:
        """FAILED once any task failed or no batch stands."""
        return Outcome.FAILED if self.failures or self.manifest is None else Outcome.OK


class TaskReport(_NotifyModel):
    """A task of the second or third family that failed for good."""

    run: RunIdentity
    task_id: str
    try_number: int
    reason: str
    log_uri: str
    countries: tuple[str, ...] = ()


Fact = tuple[str, str]


def start_mail(request: ExtractionRequest, plan: ExtractionPlan) -> Mail:
    """What is about to run: object, window, kind, order date, planned cluster and step."""
    window, emr = request.window, plan.context.emr
    facts: list[Fact] = [
        ("Object", f"{plan.object} ({plan.salesforce_object})"),
        ("Run", window.run_id),
        ("Kind", window.run_kind.value),
        ("Order date", window.order_date.isoformat()),
        ("Window (UTC)", _window(window.start_utc, window.end_utc)),
        ("Batch", window.batch_id),
        ("Cluster", f"{emr.release_label}, {emr.instance_type}, 1 primary + {emr.core_instances} core"),
        ("Step", f"extract.py ({request.operation}, {len(request.columns)} fields), code {request.code_sha}"),
        ("Target", f"s3://{request.data_bucket}/{request.target_prefix}"),
    ]
    if window.is_empty:
        facts.append(("Note", "The window is empty: an empty batch is written and Salesforce is not asked."))
    subject = _subject(plan, f"{plan.object} {window.order_date.isoformat()}: extraction starts")
    return _mail(subject, f"Extraction of {plan.object} starts", facts, plan)


def termination_mail(result: ExtractionResult, plan: ExtractionPlan) -> Mail:
    """How an extraction ended, what it left behind, and who has to do something."""
    outcome = result.outcome
    facts: list[Fact] = [
        ("Outcome", outcome.value),
        ("Object", f"{plan.object} ({plan.salesforce_object})"),
        ("Run", result.run.run_id),
        *_window_facts(result.request),
        *_failure_facts(result.failures),
        *_batch_facts(result.manifest),
        ("Duration", _duration(result.duration_seconds)),
        ("Cluster", result.cluster_id or "none was created"),
        ("Logs", result.log_uri),
        ("What now", _what_now(result)),
    ]
    date = f" {result.request.window.order_date.isoformat()}" if result.request else ""
    subject = _subject(plan, f"{plan.object}{date}: extraction {outcome.value}")
    return _mail(subject, f"Extraction of {plan.object}: {outcome.value}", facts, plan)


def failure_mail(report: TaskReport, plan: ExtractionPlan | LoadPlan | RefreshPlan) -> Mail:
    """A task failed and Airflow will not try it again."""
    facts: list[Fact] = [
        ("DAG", plan.header.dag_id),
        ("Run", report.run.run_id),
        ("Task", f"{report.task_id} (try {report.try_number})"),
    ]
    if report.countries:
        facts.append(("Countries", ", ".join(report.countries)))
    facts += [
        ("Reason", _reason(report.reason)),
        ("Logs", report.log_uri),
        ("What now", _after_task_failure(plan)),
    ]
    subject = _subject(plan, f"{plan.header.dag_id}: {report.task_id} FAILED")
    return _mail(subject, f"{plan.header.dag_id}: {report.task_id} failed", facts, plan)


def recipients(plan: ExtractionPlan | LoadPlan | RefreshPlan) -> tuple[str, ...]:
    """Who gets a plan's mails: the environment's recipients and the owner, each once."""
    return tuple(dict.fromkeys((*plan.context.mail.recipients, plan.header.owner.email)))


def _window_facts(request: ExtractionRequest | None) -> list[Fact]:
    if request is None:
        return [("Window (UTC)", "not frozen: the run failed before")]
    window = request.window
    return [
        ("Kind", window.run_kind.value),
        ("Order date", window.order_date.isoformat()),
        ("Window (UTC)", _window(window.start_utc, window.end_utc)),
        ("Batch", window.batch_id),
    ]


def _failure_facts(failures: Sequence[TaskFailure]) -> list[Fact]:
    return [
        ("Failed", f"{failure.task_id} ({failure.state})" + (f": {_reason(failure.reason)}" if failure.reason else ""))
        for failure in failures
    ]


def _batch_facts(manifest: BatchManifest | None) -> list[Fact]:
    if manifest is None:
        return [("Rows", "no batch stands")]
    return [
        ("Rows", f"{manifest.rows:,} in {len(manifest.files)} files"),
        ("Bytes", f"{manifest.bytes:,}"),
        ("Reads", str(manifest.reads)),
    ]


def _what_now(result: ExtractionResult) -> str:
    if result.outcome is Outcome.OK:
        return "Nothing: the batch is registered next and loaded from there."
    first = next((f.task_id for f in result.failures if f.state == "failed"), "")
    if result.manifest is not None:
        return f"The batch stands but is not registered. A person is needed: clear {first} with downstream."
    if result.request is None:
        return (
            "Airflow does not try again. The window was not frozen, the watermark has not moved: the next run picks "
            "up. To run now, mend the reason above and clear the whole run."
        )
    return (
        "Airflow does not retry a cluster. The watermark has not moved: the next run reads this window too. "
        f"If the reason above is a lasting one, a person is needed; to run now, {CLEAR_REMEDY}."
    )


def _after_task_failure(plan: ExtractionPlan | LoadPlan | RefreshPlan) -> str:
    if isinstance(plan, ExtractionPlan):
        return "A person is needed. The batch stands in S3 but is not registered: mend the reason and clear the task."
    if isinstance(plan, LoadPlan):
        return (
            "Airflow does not try again. The batches stay pending, so the next run of this DAG takes them again; "
            "a person is needed if the reason above is a lasting one."
        )
    return (
        "Airflow does not try again. The claim is given back, so the next run of this DAG takes the same slices; "
        "a person is needed if the reason above is a lasting one."
    )


def _window(start: datetime, end: datetime) -> str:
    return f"[{start:%Y-%m-%d %H:%M:%S}, {end:%Y-%m-%d %H:%M:%S})"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _reason(text: str) -> str:
    shown = redact(text).strip() or "none was recorded"
    return shown if len(shown) <= REASON_LENGTH else f"{shown[:REASON_LENGTH]} … (cut; the log has all of it)"


def _subject(plan: ExtractionPlan | LoadPlan | RefreshPlan, text: str) -> str:
    """One line: a line break in a subject would start a header of its own."""
    line = " ".join(redact(f"[iDiscover {plan.context.environment}] {text}").split())
    return line if len(line) <= SUBJECT_LENGTH else f"{line[: SUBJECT_LENGTH - 1]}…"


def _mail(subject: str, headline: str, facts: Sequence[Fact], plan: ExtractionPlan | LoadPlan | RefreshPlan) -> Mail:
    shown = [(label, redact(value)) for label, value in facts]
    footer = f"{plan.header.dag_id} · environment {plan.context.environment} · owner {plan.header.owner.name}"
    return Mail(subject=subject, text=_text(headline, shown, footer), html=_html(headline, shown, footer))


def _text(headline: str, facts: Sequence[Fact], footer: str) -> str:
    width = max(len(label) for label, _ in facts) + 1
    lines = [f"{label + ':':<{width}} {_indented(value, width + 1)}" for label, value in facts]
    return "\n".join([headline, "", *lines, "", "-- ", footer, ""])


def _indented(value: str, width: int) -> str:
    return ("\n" + " " * width).join(value.splitlines())


def _html(headline: str, facts: Sequence[Fact], footer: str) -> str:
    rows = "\n".join(
        f'<tr><th style="text-align:left;vertical-align:top;padding:2px 12px 2px 0">{escape(label)}</th>'
        f'<td style="padding:2px 0;white-space:pre-wrap">{escape(value)}</td></tr>'
        for label, value in facts
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(headline)}</title></head>\n"
        '<body style="font-family:sans-serif;font-size:14px">\n'
        f"<h2>{escape(headline)}</h2>\n<table>\n{rows}\n</table>\n"
        f'<p style="color:#666">{escape(footer)}</p>\n</body></html>\n'
    )
