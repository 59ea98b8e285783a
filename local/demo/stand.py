"""A running stack as the demo's modules use it: settings, addresses, Airflow, the environment, the databases."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import psycopg2
import requests
from idiscover.aws import redshift
from idiscover.aws.s3 import Bucket
from idiscover.aws.secrets import read_secret
from idiscover.cli.places import read_context
from idiscover.metadata.models import Catalog, Context
from idiscover.salesforce.session import SalesforceSession, open_session

from local.airflow_api import AirflowApi
from local.provisioning import CONTEXT
from local.stack.environment import ADMIN, airflow_url, aws_url, client_environment, salesforce_url
from local.stack.layout import HOST, Layout, Settings

Say = Callable[[str], None]


@dataclass
class Stand:
    """Everything there is to ask about a running stack."""

    layout: Layout
    settings: Settings

    def __post_init__(self) -> None:
        # from here on this process talks to the stack, through the same code as any other process of it
        os.environ.update(client_environment(self.layout, self.settings))

    @cached_property
    def context(self) -> Context:
        """The environment's settings."""
        return read_context(str(CONTEXT))

    @cached_property
    def catalog(self) -> Catalog:
        """The metadata in the bucket, without edits that are refused."""
        from idiscover.aws.publishing import catalog_in_force

        return catalog_in_force(self.context)

    @cached_property
    def bucket(self) -> Bucket:
        """The data bucket."""
        return Bucket(self.context.buckets.data, self.context.region)

    @cached_property
    def api(self) -> AirflowApi:
        """Airflow's REST API."""
        return AirflowApi(self.context, airflow_url(self.settings), ADMIN, self.settings.passwords["admin"])

    @cached_property
    def salesforce(self) -> SalesforceSession:
        """A session with the org."""
        secret = read_secret(self.context.secrets.salesforce, self.context.region)
        return open_session(secret, self.context.salesforce.api_version)

    def org_clock(self) -> tuple[datetime, int]:
        """The org's now (UTC), and the number of its last complete day."""
        return _clock(self._admin("GET", "/idiscover/clock"))

    def advance_org(self, days: int = 1) -> tuple[datetime, int]:
        """Moves the org on."""
        return _clock(self._admin("POST", "/idiscover/advance", {"days": days}))

    def _admin(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        ca = self.layout.state("salesforce") / "tls" / "ca.pem"
        url = f"{salesforce_url(self.settings)}{path}"
        answer = requests.request(method, url, json=body, verify=str(ca), timeout=120)
        answer.raise_for_status()
        return dict(answer.json())

    def inbox(self) -> list[dict[str, Any]]:
        """All e-mails that went out, oldest first."""
        answer = requests.get(f"{aws_url(self.settings)}/idiscover/inbox.json", timeout=30)
        answer.raise_for_status()
        document = answer.json()
        return list(document["mails"] if isinstance(document, dict) else document)

    def warehouse(self, sql: str, values: object = None) -> list[tuple[Any, ...]]:
        """Rows of one question to the warehouse, asked through the front."""
        with redshift.transaction(self.context.secrets.redshift, self.context.region) as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def job_metadata(self, sql: str, values: object = None) -> list[tuple[Any, ...]]:
        """Rows of one question to the job metadata."""
        with self._job_metadata() as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    @contextmanager
    def _job_metadata(self) -> Iterator[Any]:
        connection = psycopg2.connect(
            host=HOST,
            port=self.settings.ports["postgres"],
            dbname="jobmeta",
            user="postgres",
            password=self.settings.passwords["postgres"],
        )
        try:
            yield connection
        finally:
            connection.close()


def _clock(document: dict[str, Any]) -> tuple[datetime, int]:
    return datetime.fromisoformat(document["now"]).astimezone(UTC), int(document["day"])
