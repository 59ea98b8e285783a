"""Checks of the services that an environment lives on: AWS itself, Salesforce, EMR, SES, Airflow, Tableau."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from idiscover.aws import probes
from idiscover.aws.airflow_rest import AirflowRest
from idiscover.aws.secrets import read_secret
from idiscover.cli.doctor.checks import Check, Finding, Report, fail, ok, some, warn
from idiscover.cli.doctor.publishing import publish_check
from idiscover.cli.running import Running
from idiscover.metadata.models import Context
from idiscover.plan.model import ExtractionPlan
from idiscover.plan.sweep import SWEEP_DAG_ID
from idiscover.salesforce.retry import RetryPolicy
from idiscover.salesforce.session import SalesforceSession, open_session

_WARN_SKEW_SECONDS, _FAIL_SKEW_SECONDS = 30, 240  # AWS refuses from 15 minutes, Salesforce's JWTs live for 3
_FEW_PERCENT = 10
_LIMITS = {"DailyApiRequests": "API calls", "DailyBulkV2QueryJobs": "query jobs"}
_ONE_TRY = RetryPolicy(tries=2, longest_seconds=2)


def service_checks(context: Context, running: Running) -> list[Check]:
    """Credentials and clock, the org, clusters, mail, Airflow, Tableau.

    Args:
        context: the environment.
        running: the DAGs that run, read when they are needed.
    """
    rights = "docs/security.md has the rights that each role needs"
    return [
        Check("AWS", lambda: _aws(context), "log in to AWS, or set AWS_PROFILE; on a laptop: idiscover up"),
        Check("Salesforce", lambda: _salesforce(context, running), "is the secret right, and the network open?"),
        Check("EMR", lambda: _emr(context), rights),
        Check("mail", lambda: _mail(context), rights),
        Check(
            "Airflow", lambda: _airflow(context, running), "is the MWAA environment up? On a laptop: idiscover stack"
        ),
        publish_check(context),
        Check("Tableau", lambda: _tableau(context, running), "docs/tableau.md has what the secret and its login need"),
    ]


def _aws(context: Context) -> Report:
    arn, aws_now = probes.caller_and_clock(context.region)
    yield ok("AWS", f"{context.region}, as {arn}")
    yield skew_finding((datetime.now(UTC) - aws_now).total_seconds())


def skew_finding(seconds: float) -> Finding:
    """How far this machine's clock is off, ahead where positive."""
    found = f"{abs(seconds):.0f} s {'ahead of' if seconds >= 0 else 'behind'} AWS's"
    if abs(seconds) >= _FAIL_SKEW_SECONDS:
        return fail("clock", found, "set the machine's clock (NTP): AWS and Salesforce refuse what is signed too late")
    if abs(seconds) >= _WARN_SKEW_SECONDS:
        return warn("clock", found, "set the machine's clock (NTP)")
    return ok("clock", found)


def _salesforce(context: Context, running: Running) -> Report:
    secret = read_secret(context.secrets.salesforce, context.region)
    session = open_session(secret, context.salesforce.api_version, _ONE_TRY)
    limits = session.limits()
    yield ok(
        "Salesforce", f"login at {secret['login_url']}, the org's time is {session.answered_at_utc:%Y-%m-%d %H:%M}"
    )
    yield from _limits(limits)
    extractions = [plan for plan in running().plans.values() if isinstance(plan, ExtractionPlan)]
    faults = [finding for plan in extractions for finding in _describe(session, plan)]
    yield from faults
    if extractions and not faults:
        yield ok("Salesforce objects", f"{len(extractions)} described, with all their fields")


def _limits(limits: Mapping[str, Any]) -> Report:
    for name, what in _LIMITS.items():
        if name not in limits:
            continue
        most, left = int(limits[name]["Max"]), int(limits[name]["Remaining"])
        found = f"{left:,} of {most:,} {what} left today"
        if left <= 0:
            yield fail("Salesforce limits", found, "wait for tomorrow, or ask for more: who else uses the org's API?")
        elif left * 100 < most * _FEW_PERCENT:
            yield warn("Salesforce limits", found, "who else uses the org's API?")
        else:
            yield ok("Salesforce limits", found)


def _describe(session: SalesforceSession, plan: ExtractionPlan) -> Report:
    """What of an object the integration user does not see."""
    name = plan.salesforce_object
    try:
        known = {field["name"] for field in session.describe(name)["fields"]}
    except Exception as error:
        remedy = "grant the integration user read access to the object, or correct salesforce_object in its file"
        yield fail("Salesforce objects", f"{name}: {getattr(error, 'what', error)}", remedy)
        return
    if missing := {column.salesforce for column in plan.columns} - known:
        remedy = "grant the integration user the fields (field-level security), or correct the object's file"
        yield fail("Salesforce objects", f"{name} has no {some(missing)}, or they are hidden", remedy)


def _emr(context: Context) -> Report:
    yield ok("EMR", f"clusters can be listed, {probes.living_clusters(context.region)} live")
    label = context.emr.release_label
    if probes.has_release_label(label, context.region):
        yield ok("EMR release", label)
    else:
        remedy = "correct emr.release_label in the context: aws emr list-release-labels"
        yield fail("EMR release", f"{label} is not known in {context.region}", remedy)


def _mail(context: Context) -> Report:
    sender = context.mail.sender
    if probes.is_verified(sender, context.region):
        yield ok("mail", f"{sender} is verified in SES")
    else:
        yield fail("mail", f"{sender} is not verified in SES", "verify the address, or its domain, in SES")


def _tableau(context: Context, running: Running) -> Report:
    if context.secrets.tableau is None:
        return
    from idiscover.aws.tableau_inventory import orphans  # the client costs a second

    found = orphans([plan.subject.title for plan in running().subjects.values()], context)
    yield ok("Tableau", f"lets in, and has the project {context.tableau.project}")
    if found:
        yield warn("Tableau", f"nobody publishes {some(found)} any more", "idiscover tableau prune")


def _airflow(context: Context, running: Running) -> Report:
    airflow = AirflowRest(context)
    there = airflow.dag_ids()
    yield ok("Airflow", f"answers, {len(there)} DAGs")
    for error in airflow.import_errors():
        last = str(error.get("stack_trace", "")).strip().rpartition("\n")[2]
        yield fail("Airflow DAGs", f"{error.get('filename')} does not parse: {last}", "idiscover deploy")
    wanted = running().plans
    if missing := {*wanted, SWEEP_DAG_ID, *running().subjects} - there:
        remedy = "wait a minute: DAG files are read now and then; then look at the DAG processor's log"
        yield fail("Airflow DAGs", f"in the bucket, and not in Airflow: {some(missing)}", remedy)
    pools = {pool["name"]: pool["slots"] for pool in airflow.pages("/pools", "pools")}
    needed = {name: slots for plan in wanted.values() for name, slots in plan.header.pools.items()}
    needed |= {name: slots for plan in running().subjects.values() for name, slots in plan.pools.items()}
    if lacking := {name for name, slots in needed.items() if pools.get(name) != slots}:
        found = f"missing, or of another size: {some(lacking)}"
        yield fail("Airflow pools", found, "idiscover deploy makes them: a task without its pool never starts")
    else:
        yield ok("Airflow pools", f"{len(needed)} as the DAGs need them")
