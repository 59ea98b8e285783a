"""The mail of a subject that could not be brought to Tableau. Pure."""

from __future__ import annotations

from idiscover.metadata.subjects import SubjectSpec
from idiscover.notify.failures import FailedTask, explained, tried
from idiscover.notify.mails import Fact, Mail, rendered, subject_line


def failed_tableau_mail(failed: FailedTask, subject: SubjectSpec, dag_id: str, run_id: str, environment: str) -> Mail:
    """Analysts go on with what Tableau has; its note tells how old that is."""
    remedy = failed.failure.remedy if failed.failure else None
    facts: list[Fact] = [
        ("Outcome", "FAILED"),
        ("Subject", subject.title),
        ("Fault", explained(failed.kind)),
        ("Failed", f"{failed.task_id}: {failed.message}"),
        ("Tried", tried(failed)),
        ("DAG", dag_id),
        ("Run", run_id),
        ("By itself", "What was published stays; its note tells how fresh it is. The next run tries again."),
        ("To do", remedy or "See what failed."),
        ("Logs", failed.log_uri or ""),
    ]
    title = subject_line(environment, f"{dag_id}: {subject.title} FAILED ({failed.kind.value})")
    footer = f"{dag_id} · environment {environment} · owner {subject.owner.name}"
    return rendered(title, "A subject could not be brought to Tableau", facts, footer)
