"""Subjects and bodies of the platform's e-mails. Pure.

Every mail is a headline, a list of facts and, where something went wrong, what a person should do.
It is rendered as text and as HTML from the same facts; values are redacted, then escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from pydantic import BaseModel, ConfigDict

from idiscover.lake.manifest import BatchManifest
from idiscover.notify.failures import FailedTask, RunFailure, explained, tried
from idiscover.notify.redaction import redact
from idiscover.notify.run_failures import ExtractionResult
from idiscover.plan.describe import describe_cluster
from idiscover.plan.model import ExtractionPlan, ExtractionRequest, LoadPlan, ReadMode, RefreshPlan, Window
from idiscover.plan.reads import describe_read

SUBJECT_LENGTH = 200  # characters; some relays fold or cut longer ones
_FILES = 3  # named of a batch's quarantine
_WARNINGS = 10  # checks of units that are told with their queries


class _NotifyModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mail(_NotifyModel):
    """One e-mail, as text and as HTML."""

    subject: str
    html: str
    text: str


class FailedCheck(_NotifyModel):
    """A check that failed for a unit of countries: how much breaks it, with the first keys, and what finds it."""

    name: str
    countries: tuple[str, ...]
    told: str
    query: str


Fact = tuple[str, str]


def start_mail(
    request: ExtractionRequest, plan: ExtractionPlan, news: Sequence[str] = (), taken: Sequence[str] = ()
) -> Mail:
    """What is about to run: object, window, kind, order date, planned cluster and step; and what is new in the org.

    Args:
        request: of the run.
        plan: of its DAG.
        news: what differs in the org and waits for a person, a line each.
        taken: new fields that are taken up without one.
    """
    window = request.window
    facts: list[Fact] = [
        ("Object", f"{plan.object} ({plan.salesforce_object})"),
        ("Run", window.run_id),
        ("Kind", window.run_kind.value),
        ("Order date", window.order_date.isoformat()),
        ("Window (UTC)", _window(window.start_utc, window.end_utc)),
        ("Reads", describe_read(window.read_mode)),
        *_asked_facts(window),
        ("Batch", window.batch_id),
        ("Cluster", describe_cluster(plan)),
        ("Step", f"extract.py ({request.operation}, {len(request.columns)} fields), code {request.code_sha}"),
        ("Target", f"s3://{request.data_bucket}/{request.target_prefix}"),
    ]
    if window.is_empty and window.read_mode is not ReadMode.WHOLE:
        without_rows = "an empty batch is written and Salesforce is not asked"
        rest = "the Ids alone are read" if window.read_mode.tells_absence else without_rows
        facts.append(("Note", f"The window is empty: {rest}."))
    if news:
        facts.append(("In the org", "; ".join(news)))
        facts.append(("To take it up", f"idiscover onboard {plan.salesforce_object}"))
    if taken:
        facts.append(("New fields", f"{', '.join(taken)}: publish_dags takes them up; this run does not read them yet"))
        facts.append(("Rows before", null_until_they_change(plan.object)))
    subject = _subject(plan, f"{plan.object} {window.order_date.isoformat()}: extraction starts")
    return _mail(subject, f"Extraction of {plan.object} starts", facts, plan)


def null_until_they_change(object_name: str) -> str:
    """What rows have in a column that was taken up after they were read."""
    return f"null there until they change in the org; to have them all at once: idiscover resync {object_name}"


def success_mail(result: ExtractionResult, plan: ExtractionPlan) -> Mail:
    """An extraction went well: what it read, and what it left behind."""
    facts: list[Fact] = [
        ("Outcome", "OK"),
        *_extraction_facts(result, plan),
        *_batch_facts(result.manifest),
        *_closing_facts(result),
        ("Logs", result.log_uri),
        ("To do", "Nothing: the batch is registered next, and loaded from there."),
    ]
    subject = _subject(plan, f"{plan.object}{_order_date(result)}: extraction OK")
    return _mail(subject, f"Extraction of {plan.object}: OK", facts, plan)


def extraction_failure_mail(failure: RunFailure, result: ExtractionResult, plan: ExtractionPlan) -> Mail:
    """An extraction failed: what, why, whether somebody is needed, what happens next."""
    facts: list[Fact] = [
        ("Outcome", "FAILED"),
        *_failure_facts(failure),
        *_extraction_facts(result, plan),
        *_batch_facts(result.manifest),
        *_closing_facts(result),
        *_next_facts(failure),
    ]
    subject = _subject(plan, f"{plan.object}{_order_date(result)}: extraction FAILED ({failure.kind.value})")
    return _mail(subject, f"Extraction of {plan.object}: FAILED", facts, plan)


def failure_mail(failure: RunFailure, plan: ExtractionPlan | LoadPlan | RefreshPlan) -> Mail:
    """A run failed of which there is nothing to tell but its failure: loads, refreshes, batches not registered."""
    facts: list[Fact] = [
        ("Outcome", "FAILED"),
        *_failure_facts(failure),
        ("DAG", failure.dag_id),
        ("Run", failure.run_id),
        *([("Reason", failure.reason)] if failure.reason else []),
        *_next_facts(failure),
    ]
    names = ", ".join(dict.fromkeys(task.task_id for task in failure.failed if task.is_cause))
    subject = _subject(plan, f"{failure.dag_id}: {names} FAILED ({failure.kind.value})")
    return _mail(subject, f"{failure.dag_id}: {names} failed", facts, plan)


def check_warning_mail(plan: RefreshPlan, run_id: str, warnings: Sequence[FailedCheck]) -> Mail:
    """Checks with severity warn have failed; the rows stand. The rows that break them, by key, and the queries."""
    facts: list[Fact] = [
        ("Outcome", "OK, with warnings"),
        ("Table", plan.table),
        ("Run", run_id),
        *(
            fact
            for warning in warnings[:_WARNINGS]
            for fact in (
                ("Check", f"{warning.name}, {', '.join(warning.countries)}: {warning.told}"),
                ("Query", warning.query),
            )
        ),
        *([("More", f"{len(warnings) - _WARNINGS} more; see job.check_result")] if len(warnings) > _WARNINGS else []),
        ("By itself", "Nothing: the slices are committed and passed on, as the checks' severity is warn."),
        ("To do", f"Look at the records. If a check asks for too much, correct it in {plan.metadata_key}."),
    ]
    names = ", ".join(dict.fromkeys(warning.name for warning in warnings))
    subject = _subject(plan, f"{plan.table}: check {names} WARNS")
    return _mail(subject, f"{plan.table}: a check warns", facts, plan)


def as_message(mail: Mail, sender: str, to: Sequence[str]) -> EmailMessage:
    """The mail as MIME, text and HTML."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = mail.subject
    message["From"] = sender
    message["To"] = ", ".join(to)
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def recipients(plan: ExtractionPlan | LoadPlan | RefreshPlan) -> tuple[str, ...]:
    """Who gets a plan's mails: the environment's recipients and the owner, each once."""
    return tuple(dict.fromkeys((*plan.context.mail.recipients, plan.header.owner.email)))


def _extraction_facts(result: ExtractionResult, plan: ExtractionPlan) -> list[Fact]:
    about: list[Fact] = [("Object", f"{plan.object} ({plan.salesforce_object})"), ("Run", result.run.run_id)]
    return [*about, *_window_facts(result.request)]


def _closing_facts(result: ExtractionResult) -> list[Fact]:
    return [
        ("Duration", _duration(result.duration_seconds)),
        ("Cluster", _cluster(result)),
    ]


def _cluster(result: ExtractionResult) -> str:
    if result.cluster_id is None:
        return "none was created"
    if not result.is_shared:
        return result.cluster_id
    others = f"left to {result.users}" if result.used_by else "nobody else needs it"
    return f"{result.cluster_id}, shared: {others}"


def _order_date(result: ExtractionResult) -> str:
    return f" {result.request.window.order_date.isoformat()}" if result.request else ""


def _window_facts(request: ExtractionRequest | None) -> list[Fact]:
    if request is None:
        return [("Window (UTC)", "not frozen: the run failed before")]
    window = request.window
    return [
        ("Kind", window.run_kind.value),
        ("Order date", window.order_date.isoformat()),
        ("Window (UTC)", _window(window.start_utc, window.end_utc)),
        *_asked_facts(window),
        ("Batch", window.batch_id),
    ]


def _asked_facts(window: Window) -> list[Fact]:
    """What the person who started the run has said about it."""
    facts: list[Fact] = []
    if window.countries:
        facts.append(("Countries", f"{', '.join(window.countries)} alone; the watermark stays where it is"))
    return [*facts, ("Reason", window.reason)] if window.reason else facts


def _failure_facts(failure: RunFailure) -> list[Fact]:
    """The causes, each with its tries; then what was not run because of them."""
    facts: list[Fact] = [("Fault", explained(failure.kind))]
    for task in failure.failed:
        if task.is_cause:
            facts += [("Failed", f"{_named(task)}: {task.message}"), ("Tried", tried(task))]
    if not any(task.is_cause for task in failure.failed):
        facts.append(("Failed", "no task: the run was ended by hand"))
    others = [f"{task.task_id} ({task.state})" for task in failure.failed if not task.is_cause]
    return [*facts, ("Not run", ", ".join(others))] if others else facts


def _next_facts(failure: RunFailure) -> list[Fact]:
    logs = dict.fromkeys(task.log_uri for task in failure.failed if task.is_cause and task.log_uri)
    return [
        ("By itself", failure.by_itself),
        ("To do", failure.to_do),
        ("Logs", "\n".join(logs or (failure.log_uri,))),
    ]


def _named(task: FailedTask) -> str:
    return f"{task.task_id} ({', '.join(task.countries)})" if task.countries else task.task_id


def _batch_facts(manifest: BatchManifest | None) -> list[Fact]:
    if manifest is None:
        return [("Rows", "no batch stands")]
    return [
        ("Rows", f"{manifest.rows:,} in {len(manifest.files)} files"),
        *_quarantine_facts(manifest),
        *([] if manifest.id_count is None else [("Ids", f"{manifest.id_count:,} records are there")]),
        ("Bytes", f"{manifest.bytes:,}"),
        ("Reads", str(manifest.reads)),
    ]


def _quarantine_facts(manifest: BatchManifest) -> list[Fact]:
    """Rows that are missing in the batch, and where a person can see why."""
    if not manifest.quarantine:
        return []
    files = "\n".join(file.key for file in manifest.quarantine[:_FILES])
    more = len(manifest.quarantine) - _FILES
    told = f"{files}\nand {more} more files" if more > 0 else files
    return [("Broken rows", f"{manifest.counts.quarantined:,} break their contract and are not in the batch:\n{told}")]


def _window(start: datetime, end: datetime) -> str:
    return f"[{start:%Y-%m-%d %H:%M:%S}, {end:%Y-%m-%d %H:%M:%S})"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _subject(plan: ExtractionPlan | LoadPlan | RefreshPlan, text: str) -> str:
    return subject_line(plan.context.environment, text)


def subject_line(environment: str, text: str) -> str:
    """One line: a line break in a subject would start a header of its own."""
    line = " ".join(redact(f"[iDiscover {environment}] {text}").split())
    return line if len(line) <= SUBJECT_LENGTH else f"{line[: SUBJECT_LENGTH - 1]}…"


def _mail(subject: str, headline: str, facts: Sequence[Fact], plan: ExtractionPlan | LoadPlan | RefreshPlan) -> Mail:
    footer = f"{plan.header.dag_id} · environment {plan.context.environment} · owner {plan.header.owner.name}"
    return rendered(subject, headline, facts, footer)


def rendered(subject: str, headline: str, facts: Sequence[Fact], footer: str) -> Mail:
    """A mail as text and as HTML; values are redacted here."""
    shown = [(label, redact(value)) for label, value in facts]
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
