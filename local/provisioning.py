"""What stands in AWS before a deploy, and the deploy: buckets, secrets, mail identity, Airflow's variable."""

from __future__ import annotations

import json
import secrets as secret_key
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError
from idiscover.cli.deploying import deploy
from idiscover.cli.places import read_context
from idiscover.lake.protection import SECRET_KEY as PROTECTION_KEY
from idiscover.lake.suppression import SECRET_KEY as ERASURE_KEY
from idiscover.metadata.models import Context

from local.airflow_api import AirflowApi
from local.stack.environment import (
    ACCOUNT,
    LOG_GROUP,
    REGION,
    VARIABLES_PREFIX,
    aws_url,
    salesforce_url,
    tableau_url,
)
from local.stack.layout import HOST, ROOT, Layout, Settings
from local.stack.stack import alone
from local.tableau.credentials import ensure_token

CONTEXT = ROOT / "context" / "local.yaml"
TARGET_ROLE = f"arn:aws:iam::{ACCOUNT}:role/idiscover-local-s3-target"


def provision(layout: Layout, settings: Settings, api: AirflowApi) -> Iterator[str]:
    """Yields one line per step. Each step looks first, so that it may be repeated; two at a time take turns."""
    waiting: list[str] = []
    with alone(layout, waiting.append):
        yield from waiting
        yield from _provision(layout, settings, api)


def _provision(layout: Layout, settings: Settings, api: AirflowApi) -> Iterator[str]:
    context = read_context(str(CONTEXT))
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=aws_url(settings))

    yield _buckets(client("s3"), context)
    yield _secrets(client("secretsmanager"), context, layout, settings)
    yield _mail_and_logs(client("ses"), client("logs"), context)
    # what somebody has edited in this stack's bucket is what they want to see
    yield from deploy(ROOT, str(CONTEXT), keep_edits=True, ensure_pools=api.ensure_pools)


def _buckets(s3: Any, context: Context) -> str:
    for name in (context.buckets.data, context.buckets.dags):
        try:
            s3.head_bucket(Bucket=name)
        except ClientError:
            s3.create_bucket(Bucket=name)
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return f"buckets: {context.buckets.data}, {context.buckets.dags} (versioned)"


def _secrets(manager: Any, context: Context, layout: Layout, settings: Settings) -> str:
    login = {"username": "postgres", "password": settings.passwords["postgres"]}
    secrets: dict[str, dict[str, Any]] = {
        context.secrets.salesforce: _salesforce_secret(layout, settings),
        context.secrets.s3_target: {"role_arn": TARGET_ROLE},
        context.secrets.redshift: {
            "host": HOST,
            "port": settings.ports["warehouse"],
            "dbname": "warehouse",
            "schema": "warehouse",
            **login,
        },
        context.secrets.job_metadata: {"host": HOST, "port": settings.ports["postgres"], "dbname": "jobmeta", **login},
        f"{VARIABLES_PREFIX}/dna_env_variables": {
            "environment": context.environment,
            "context_uri": f"s3://{context.buckets.data}/context/{context.environment}.yaml",
        },
    }
    if context.secrets.tableau is not None:
        token = ensure_token(layout.state("tableau"))
        secrets[context.secrets.tableau] = {"server": tableau_url(settings), **token}
    for name, value in secrets.items():
        _put_secret(manager, name, json.dumps(value))
    for name, field in ((context.secrets.erasure, ERASURE_KEY), (context.secrets.protection, PROTECTION_KEY)):
        if name is not None:
            secrets[name] = {}
            _make_secret(manager, name, {field: secret_key.token_hex(32)})
    return f"secrets: {', '.join(sorted(secrets))}"


def _salesforce_secret(layout: Layout, settings: Settings) -> dict[str, str]:
    credentials = json.loads((layout.state("salesforce") / "credentials.json").read_text())
    return {
        "login_url": salesforce_url(settings),
        "grant_type": "jwt",
        **{name: credentials[name] for name in ("client_id", "username", "private_key")},
    }


def _put_secret(manager: Any, name: str, text: str) -> None:
    try:
        if manager.get_secret_value(SecretId=name)["SecretString"] == text:
            return
        manager.put_secret_value(SecretId=name, SecretString=text)
    except manager.exceptions.ResourceNotFoundException:
        manager.create_secret(Name=name, SecretString=text)


def _make_secret(manager: Any, name: str, value: dict[str, str]) -> None:
    """Made once: hashes of another key would not be known any more."""
    try:
        manager.create_secret(Name=name, SecretString=json.dumps(value))
    except manager.exceptions.ResourceExistsException:
        return


def _mail_and_logs(ses: Any, logs: Any, context: Context) -> str:
    if context.mail.sender not in ses.list_verified_email_addresses()["VerifiedEmailAddresses"]:
        ses.verify_email_identity(EmailAddress=context.mail.sender)
    groups = logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]
    if not groups:
        logs.create_log_group(logGroupName=LOG_GROUP)
    return f"mail identity {context.mail.sender}, log group {LOG_GROUP}"
