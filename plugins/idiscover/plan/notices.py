"""What a DAG says of an edit of its metadata that was refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idiscover.metadata.last_good import RefusedEdit
from idiscover.plan.model import Plan

REFUSED_TAG = "edit refused"


def with_notices(plans: Iterable[Plan], refused: Sequence[RefusedEdit]) -> list[Plan]:
    """The plans; those made from a file whose edit was refused say so."""
    return [
        _with_notice(plan, [edit for edit in refused if edit.path in plan.header.metadata_versions]) for plan in plans
    ]


def _with_notice(plan: Plan, refused: Sequence[RefusedEdit]) -> Plan:
    if not refused:
        return plan
    header = plan.header.model_copy(update={"notice": "\n\n".join(describe_refused(edit) for edit in refused)})
    return plan.model_copy(update={"header": header})


def describe_refused(edit: RefusedEdit) -> str:
    """Why an edit is not in force: Markdown, shown above a DAG's documentation."""
    verb = "The deletion" if edit.is_deletion else "An edit"
    since = f", written {edit.edit.edited_at_utc:%Y-%m-%d %H:%M:%S} UTC" if edit.edit.edited_at_utc else ""
    stays = f"This DAG runs by version `{edit.good.version}`, the last that was published. " if edit.good else ""
    # a fence inside would end ours
    problems = "\n\n".join(str(problem) for problem in edit.problems).replace("```", "'''")
    return (
        f"## {verb} of `metadata/{edit.path}` is refused\n\n"
        f"Version `{edit.edit.version}`{since}, is not in force. {stays}"
        f"It stays so until the file is mended in the bucket.\n\n```text\n{problems}\n```\n"
    )
