"""Checks of secrets, buckets and databases of an environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from idiscover.aws import postgres, probes
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_status import missing_tables
from idiscover.aws.s3 import Bucket
from idiscover.aws.secrets import read_secret
from idiscover.cli.deploying import JOB_METADATA_DDL
from idiscover.cli.doctor.checks import Check, Report, fail, ok, some, warn
from idiscover.cli.running import Running
from idiscover.errors import ConfigError
from idiscover.lake import protection
from idiscover.lake.suppression import SECRET_KEY
from idiscover.metadata.models import Context
from idiscover.metadata.statements import parse_call
from idiscover.plan.model import LoadPlan, Plan, RefreshPlan
from idiscover.salesforce import oauth
from idiscover.warehouse.migration_ledger import TABLE as LEDGER
from idiscover.warehouse.release import SCHEMAS

_DEPLOY = "idiscover deploy"
_JOB_TABLE = re.compile(r"create table if not exists job\.([a-z_]+)")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")


def store_checks(context: Context, root: Path, running: Running) -> list[Check]:
    """Secrets, buckets, warehouse, job metadata.

    Args:
        context: the environment.
        root: the repository, or a folder that is none.
        running: the DAGs that run, read when they are needed.
    """
    names, rights = context.secrets, "docs/security.md has the rights that each role needs"
    return [
        *(_secret_check(context, kind, name) for kind, name in names.model_dump(exclude_none=True).items()),
        Check("S3 data bucket", lambda: _data_bucket(context), rights),
        Check("S3 target", lambda: _target(context), rights),
        Check("S3 DAG bucket", lambda: _dag_bucket(context, running), rights),
        Check("warehouse", lambda: _warehouse(context, running), "is it up, and is the secret's login right?"),
        Check("COPY role", lambda: _copy_role(context), "correct redshift.copy_role_arn in the context"),
        Check("job metadata", lambda: _job_metadata(context, root), "is it up, and is the secret's login right?"),
    ]


def _check_erasure(secret: Mapping[str, str]) -> None:
    if not secret.get(SECRET_KEY):
        raise ConfigError("the secret of erasures has no key", key=SECRET_KEY, got=f"keys {', '.join(sorted(secret))}")


def _check_protection(secret: Mapping[str, str]) -> None:
    protection.require_key(secret)


_FIELDS: dict[str, Callable[[Mapping[str, str]], None]] = {
    "salesforce": oauth.check_secret,
    "redshift": lambda secret: postgres.check_secret(secret, "redshift"),
    "job_metadata": lambda secret: postgres.check_secret(secret, "job_metadata"),
    "erasure": _check_erasure,
    "protection": _check_protection,
}


def _secret_check(context: Context, kind: str, name: str) -> Check:
    def ask() -> Report:
        secret = read_secret(name, context.region)
        if kind in _FIELDS:
            _FIELDS[kind](secret)
        yield ok(f"secret {kind}", f"{name} is there, and complete")  # never what it holds

    return Check(f"secret {kind}", ask, f"write it as docs/security.md says, under the name {name}")


def _data_bucket(context: Context) -> Report:
    name = context.buckets.data
    if probes.write_and_read(Bucket(name, context.region)):
        yield ok("S3 data bucket", f"{name}: written, read, listed, deleted")
    else:
        yield fail("S3 data bucket", f"{name} gives back something else than was written", "is it a bucket of AWS's?")
    yield from _versioned("S3 data bucket", name, context)


def _versioned(check: str, name: str, context: Context) -> Report:
    if not probes.is_versioned(name, context.region):
        remedy = "switch versioning on: edits and deletions are undone from older versions"
        yield warn(check, f"{name} keeps no older versions", remedy)


def _target(context: Context) -> Report:
    secret = read_secret(context.secrets.s3_target, context.region)
    probes.target_credentials(secret, context)
    how = f"role {secret['role_arn']} is assumed" if "role_arn" in secret else "by keys"
    yield ok("S3 target", f"{how}, and lists {context.buckets.data}")


def _dag_bucket(context: Context, running: Running) -> Report:
    name = context.buckets.dags
    found = running()
    if found.unreadable:
        yield warn("S3 DAG bucket", f"of another version of the code: {some(found.unreadable)}", _DEPLOY)
    if found.plans:
        yield ok("S3 DAG bucket", f"{name}: {len(found.plans)} DAGs")
    else:
        yield fail("S3 DAG bucket", f"{name} holds no DAG that this code can read", _DEPLOY)
    yield from _versioned("S3 DAG bucket", name, context)


def _warehouse(context: Context, running: Running) -> Report:
    found = probes.warehouse_contents(context, SCHEMAS)
    if missing := [name for name in SCHEMAS if name not in found.schemas]:
        yield fail("warehouse", f"no schema {some(missing)}, or the login does not see it", _DEPLOY)
    if refused := [name for name, may in found.schemas.items() if not may]:
        remedy = "grant usage and create on them to the login of the secret redshift"
        yield fail("warehouse", f"no right to use schemas and create in them: {some(refused)}", remedy)
    tables, procedures = _expected(list(running().plans.values()))
    lost = {"tables": tables - found.tables, "procedures": procedures - found.procedures}
    for kind, names in lost.items():
        if names:
            yield fail("warehouse", f"{kind} are missing: {some(names)}", _DEPLOY)
    if not any(lost.values()) and not missing and not refused:
        counted = f"{len(tables)} tables, {len(procedures)} procedures"
        yield ok("warehouse", f"login, schemas {', '.join(SCHEMAS)}; {counted} that the DAGs need")


def _expected(plans: Sequence[Plan]) -> tuple[set[str], set[str]]:
    """Tables and procedures that the plans speak of."""
    tables, procedures = {"stg.batch_load", LEDGER} if plans else set(), set()
    for plan in plans:
        if isinstance(plan, LoadPlan):
            tables |= {plan.table, plan.ids_table}
        if isinstance(plan, RefreshPlan):
            tables.add(plan.table)
            procedures |= {parse_call(statement).qualified_name for statement in plan.statements}
        if isinstance(plan, RefreshPlan) and plan.itg is not None:
            sides = ("changes", "load_audit", "absence", *(("history",) if plan.itg.history else ()))
            tables |= {f"{plan.table}__{side}" for side in sides}
    return tables, procedures


def _copy_role(context: Context) -> Report:
    arn = context.redshift.copy_role_arn
    if _ROLE.fullmatch(arn):
        yield ok("COPY role", f"{arn}; whether the warehouse may assume it is seen by the first COPY alone")
    else:
        yield fail("COPY role", f"{arn} is no role", "write arn:aws:iam::<account>:role/<name> into the context")


def _job_metadata(context: Context, root: Path) -> Report:
    ddl = root / JOB_METADATA_DDL
    with open_job_metadata(context) as metadata:
        if not ddl.is_file():
            yield warn("job metadata", "login; its tables are not checked: this is not the repository", "--root")
            return
        tables = _JOB_TABLE.findall(ddl.read_text(encoding="utf-8"))
        missing = missing_tables(metadata, tables)
    if missing:
        found = f"tables of schema job are missing, or may not be written: {some(missing)}"
        yield fail("job metadata", found, _DEPLOY)
    else:
        yield ok("job metadata", f"login, {len(tables)} tables")
