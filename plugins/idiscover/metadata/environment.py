"""Models of one environment's settings: `context/<environment>.yaml`.

The description of a key is what an editor shows (metadata/schemas.py) and what docs/metadata.md says of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from idiscover.metadata.base import AIRFLOW_NAME_PATTERN, API_VERSION_PATTERN, Email, Model, Moment, Name, Text

_LEASE_BESIDE_STEP = timedelta(minutes=90)  # for the cluster to come (45) and go (30)


class Buckets(Model):
    """Names of the data bucket and of the bucket that holds the DAG files."""

    data: Text = Field(
        description="Bucket of `context/`, `metadata/`, `source/`, `archive/`, `status/`, `script/` and cluster logs."
    )
    dags: Text = Field(description="Bucket that MWAA reads `dags/` from.")


class SecretNames(Model):
    """Where credentials lie in Secrets Manager; never the credentials themselves."""

    salesforce: Text = Field(description="Name of the secret with the org's login.")
    s3_target: Text = Field(description="Name of the secret with the rights to write `source/`.")
    redshift: Text = Field(description="Name of the secret with the warehouse's login.")
    job_metadata: Text = Field(description="Name of the secret with the job metadata's login.")
    erasure: Text | None = Field(
        default=None, description="Name of the secret with the key of the hashes of erased Ids; `erase` needs it."
    )
    protection: Text | None = Field(
        default=None,
        description="Name of the secret with the key of the hashes of values; fields with `protect: hash` need it.",
    )
    tableau: Text | None = Field(
        default=None, description="Name of the secret with Tableau's login; without it nothing is published there."
    )


class MailSettings(Model):
    """Who sends the platform's e-mails and who gets them besides the owner."""

    sender: Email = Field(description="Verified in SES.")
    recipients: tuple[Email, ...] = Field(min_length=1, description="Get every mail, beside the owner.")


class EmrSettings(Model):
    """The cluster that an extraction creates."""

    release_label: Text = Field(description="Such as `emr-spark-8.0.0`.")
    instance_type: Text = Field(description="Of all nodes.")
    core_instances: int = Field(ge=0, le=100, description="Core nodes beside the one primary.")
    service_role: Text = Field(description="EMR's own role.")
    job_flow_role: Text = Field(description="Instance profile: the rights that the step has.")
    subnet_id: str | None = Field(default=None, description="Subnet of the cluster; without it, EMR chooses.")
    log_prefix: Text = Field(description="Key prefix of cluster logs in the data bucket.")
    idle_timeout_seconds: int = Field(
        ge=60, le=604800, description="EMR itself terminates a cluster that idles this long."
    )
    step_timeout_minutes: int = Field(
        ge=1,
        le=1440,
        description="How long `watch_steps` waits. The lock on the object's window lapses 90 minutes later than that,"
        " counted from when it was taken.",
    )
    poll_seconds: int = Field(ge=1, le=300, description="Between two questions to EMR.")
    parallel_steps: int = Field(
        default=4,
        ge=1,
        le=256,
        description="How many steps a cluster that the objects of a `cluster_group` share runs at once. A step that"
        " has to wait for another does so within its `step_timeout_minutes`.",
    )
    defer_after_seconds: int = Field(
        default=0,
        ge=0,
        le=3600,
        description="How long a task waits for EMR in its own process before it defers. Worth it only where clusters"
        " and steps take seconds.",
    )

    @property
    def lease(self) -> timedelta:
        """How long what a run holds is kept for it without a sign of life."""
        return timedelta(minutes=self.step_timeout_minutes) + _LEASE_BESIDE_STEP


class SalesforceSettings(Model):
    """How the org is asked; the address comes from the secret."""

    api_version: Annotated[str, StringConstraints(pattern=API_VERSION_PATTERN)] = Field(
        description="REST and Bulk API version; in quotes."
    )
    page_rows: int = Field(
        ge=1,
        le=1_000_000,
        description="Rows of a result page where pages come one after the other; parallel pages are cut by Salesforce.",
    )
    parallel_pages: int = Field(ge=1, le=64, description="Pages read at once, of all jobs of a read.")
    job_timeout_minutes: int = Field(ge=1, le=1440, description="How long a query job may take.")
    rows_per_job: int = Field(
        default=2_000_000,
        ge=1,
        le=100_000_000,
        description="A read of more rows is cut into ranges of about so many, each a query job of its own.",
    )
    parallel_jobs: int = Field(
        default=3, ge=1, le=25, description="Query jobs of one read that Salesforce works on at once."
    )
    most_calls_percent: int = Field(
        default=80,
        ge=1,
        le=100,
        description="Extractions stop when the org's API calls, or query jobs, of 24 hours reach this share, whoever"
        " made them: the rest is for others.",
    )
    most_calls_percent_per_run: int = Field(
        default=20, ge=1, le=100, description="Share of the org's daily API calls that one run may use."
    )


class RedshiftSettings(Model):
    """Who may do what: COPY in the bucket, analysts in the warehouse."""

    copy_role_arn: Text = Field(description="Role that COPY reads the data bucket with.")
    analyst_role: Name | None = Field(
        default="idiscover_analyst",
        description="Role of the warehouse that may read the views `dm.v_…` and nothing else; a deploy makes it if need"
        " be. null: none.",
    )


class CheckSettings(Model):
    """How long results of checks are kept."""

    keep_results_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Results of checks in `job.check_result` that are older go at the end of their table's refresh. The"
        " newest result of each check and country stays, however old.",
    )


class TableauSettings(Model):
    """How data sources are published. The server's address is in the secret."""

    project: Text = Field(default="iDiscover", description="Project of the data sources; it has to be there.")
    schedule: Text = Field(
        default="15 * * * *",
        description="Cron of each `publish_tableau_<subject>`, UTC, beside the loads that wake it: what no event tells,"
        " such as a data source that somebody has changed by hand, is mended by it.",
    )
    timeout_seconds: int = Field(default=60, ge=1, le=600, description="How long one request may take.")
    job_timeout_minutes: int = Field(
        default=60, ge=1, le=1440, description="How long Tableau may take to refresh one extract."
    )

    @property
    def job_timeout_seconds(self) -> int:
        """The same in seconds."""
        return self.job_timeout_minutes * 60


class AirflowSettings(Model):
    """Which MWAA environment this is, and how the DAGs behave in it."""

    environment_name: Annotated[str, StringConstraints(pattern=AIRFLOW_NAME_PATTERN)] = Field(
        description="Of the MWAA environment; its REST API is called by this name."
    )
    schedules_start_runs: bool = Field(
        description="false: the schedules only give the intervals; runs are made by hand, over REST, or by a backfill."
    )
    start_date: Moment = Field(description="Of all DAGs.")
    sweep_schedule: Text = Field(description="Cron of `sweep_pending`, UTC.")
    publish_schedule: Text = Field(default="*/5 * * * *", description="Cron of `publish_dags`, UTC.")
    most_deleted_percent: int = Field(
        default=50, ge=0, le=100, description="How many of all DAGs `publish_dags` may take away at once."
    )
    retries: int = Field(ge=0, le=10, description="Of a task after a passing fault.")
    retry_delay_seconds: int = Field(
        ge=1, le=3600, description="Before the first retry; doubles with each, up to 30 minutes."
    )
    emr_pool_slots: int = Field(
        ge=1, le=100, description="Slots of the pool `emr`: how many extractions may hold a cluster at once."
    )
    units_per_task: int = Field(
        default=10,
        ge=1,
        le=100,
        description="How many units of countries one task of a refresh calls, one after the other. More save tasks,"
        " fewer show more of the progress.",
    )


class Context(Model):
    """One environment. It holds addresses and sizes, never credentials."""

    environment: Name = Field(description="Its name; the file's name, and a tag on every DAG.")
    region: Text = Field(description="AWS region of everything.")
    buckets: Buckets = Field(description="The two buckets.")
    secrets: SecretNames = Field(description="Names in Secrets Manager.")
    mail: MailSettings = Field(description="Who sends the platform's mails, and who gets all of them.")
    emr: EmrSettings = Field(description="The cluster that one extraction creates.")
    salesforce: SalesforceSettings = Field(description="How the org is asked. Its address is in the secret.")
    redshift: RedshiftSettings = Field(description="What the warehouse reads the bucket with.")
    checks: CheckSettings = Field(default=CheckSettings(), description="How long results of checks are kept.")
    tableau: TableauSettings = Field(default=TableauSettings(), description="How data sources are published there.")
    airflow: AirflowSettings = Field(description="How the DAGs behave in this environment.")
