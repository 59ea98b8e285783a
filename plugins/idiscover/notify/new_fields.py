"""The mail of new fields: taken up, left to a person, or held up. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idiscover.metadata.models import ObjectSpec
from idiscover.notify.mails import Fact, Mail, null_until_they_change, rendered, subject_line

_AGAIN = "The next run of publish_dags tries again; of the same reason there is no further mail."
_RIGHTS = (
    "See what is in the way. Where it is a right that Airflow's role or its login is not to have, somebody who may"
    " deploy does the same: idiscover publish --context context/{environment}.yaml"
)


def new_fields_mail(
    spec: ObjectSpec, taken: Sequence[str], refused: Mapping[str, str], waits_for: str | None, environment: str
) -> Mail:
    """What has become of an object's new fields.

    Args:
        spec: the object.
        taken: a line for each that was taken up.
        refused: API name of each that was not → why.
        waits_for: why nothing was done yet; another try follows.
        environment: its name.
    """
    outcome = "HELD UP" if waits_for else "taken up" if taken else "NOT TAKEN UP"
    facts: list[Fact] = [("Outcome", outcome), ("Object", f"{spec.object} ({spec.salesforce_object})")]
    facts += [("Taken up", line) for line in taken]
    facts += [("Not taken up", f"{name}: {why}") for name, why in refused.items()]
    if waits_for:
        facts += [("Fault", waits_for), ("By itself", _AGAIN)]
    elif taken:
        facts.append(("From now on", "The next run that starts reads them: tables, procedure and file are changed."))
        facts.append(("Rows before", null_until_they_change(spec.object)))
    facts.append(("To do", "\n".join(_to_do(spec, taken, refused, waits_for, environment))))
    subject = subject_line(environment, f"{spec.object}: new fields {outcome}")
    footer = f"publish_dags · environment {environment} · owner {spec.owner.name}"
    return rendered(subject, f"New fields of {spec.object}: {outcome}", facts, footer)


def _to_do(
    spec: ObjectSpec, taken: Sequence[str], refused: Mapping[str, str], waits_for: str | None, environment: str
) -> list[str]:
    if waits_for:
        return [_RIGHTS.format(environment=environment)]
    told = []
    if taken:
        told.append(f"Bring the edit into the repository: idiscover pull --context context/{environment}.yaml")
    if refused:
        told.append(
            f"To have the others all the same: idiscover onboard {spec.salesforce_object} --fields "
            f"{','.join(refused)}; read what it proposes, and release it"
        )
    return told
