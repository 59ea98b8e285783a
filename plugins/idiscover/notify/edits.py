"""Mails of edits in the bucket: refused, mended, and a publication that failed as a whole. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from idiscover.metadata.last_good import RefusedEdit
from idiscover.notify.failures import FailedTask, explained, tried
from idiscover.notify.mails import Fact, Mail, rendered, subject_line

_BY_ITSELF = (
    "The DAGs made from this file run on as they were, and say so at the top of their documentation. All other edits "
    "are published. There is no further mail about this version."
)


def refused_mail(edit: RefusedEdit, dag_ids: Sequence[str], environment: str, owner: str) -> Mail:
    """An edit is not published: what is wrong with it, what stays, what to do."""
    what = "deletion" if edit.is_deletion else "edit"
    facts: list[Fact] = [
        ("Outcome", f"{what} REFUSED"),
        ("File", f"metadata/{edit.path}"),
        ("Version", edit.edit.version),
        *([("Written (UTC)", f"{edit.edit.edited_at_utc:%Y-%m-%d %H:%M:%S}")] if edit.edit.edited_at_utc else []),
        ("In force", edit.good.version if edit.good else "nothing: the file was never published"),
        *[("Fault", _without_remedy(str(problem), problem.remedy)) for problem in edit.problems],
        ("DAGs", ", ".join(dag_ids) or "none"),
        ("By itself", _BY_ITSELF),
        ("To do", "\n".join(dict.fromkeys(problem.remedy for problem in edit.problems if problem.remedy)) or "mend it"),
    ]
    subject = subject_line(environment, f"{edit.path}: {what} REFUSED (needs a person)")
    return rendered(subject, f"The {what} of metadata/{edit.path} is refused", facts, _footer(environment, owner))


def mended_mail(path: str, version: str | None, environment: str, owner: str) -> Mail:
    """What was refused is in force, or gone."""
    facts: list[Fact] = [
        ("Outcome", "OK"),
        ("File", f"metadata/{path}"),
        ("In force", version or "nothing: the file is gone"),
        ("To do", "Nothing."),
    ]
    subject = subject_line(environment, f"{path}: mended")
    return rendered(subject, f"metadata/{path} is mended", facts, _footer(environment, owner))


def unreadable_state_mail(where: str, fault: str, environment: str) -> Mail:
    """The record of the last publication was made anew."""
    facts: list[Fact] = [
        ("Outcome", "MADE ANEW"),
        ("File", where),
        ("Fault", f"the state of the last publication cannot be read\n{fault}"),
        (
            "By itself",
            "It was made anew from the plans beside the DAG files, which say from which versions they were made. Edits "
            "that were refused before are judged again, and mailed once more.",
        ),
        ("To do", "Find out who wrote to that key: only publish_dags and deploys do. Its older versions are kept."),
    ]
    subject = subject_line(environment, "publish_dags: its state was made anew")
    return rendered(subject, "The state of the last publication is made anew", facts, _footer(environment, "idiscover"))


def failed_publication_mail(failed: FailedTask, dag_id: str, run_id: str, environment: str, log_uri: str) -> Mail:
    """Nothing at all could be published."""
    remedy = failed.failure.remedy if failed.failure else None
    facts: list[Fact] = [
        ("Outcome", "FAILED"),
        ("Fault", explained(failed.kind)),
        ("Failed", f"{failed.task_id}: {failed.message}"),
        ("Tried", tried(failed)),
        ("DAG", dag_id),
        ("Run", run_id),
        (
            "By itself",
            "All DAGs run on as they are. The next run tries again; of the same failure there is no further mail.",
        ),
        ("To do", remedy or "See what failed."),
        ("Logs", failed.log_uri or log_uri),
    ]
    subject = subject_line(environment, f"{dag_id}: {failed.task_id} FAILED ({failed.kind.value})")
    return rendered(subject, "Edits in the bucket could not be published", facts, _footer(environment, "idiscover"))


def _without_remedy(text: str, remedy: str | None) -> str:
    return text.removesuffix(f"\n  remedy: {remedy}")


def _footer(environment: str, owner: str) -> str:
    return f"publish_dags · environment {environment} · owner {owner}"
