"""Plans, requests and manifests for mails, written by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

from idiscover.lake.manifest import BatchCounts, BatchFile, BatchManifest
from idiscover.metadata.models import (
    AirflowSettings,
    Buckets,
    Context,
    CountryNone,
    EmrSettings,
    Family,
    FieldType,
    MailSettings,
    Owner,
    RedshiftSettings,
    SalesforceSettings,
    SecretNames,
)
from idiscover.plan.model import (
    ColumnPlan,
    DagHeader,
    ExtractionPlan,
    ExtractionRequest,
    ItgPlan,
    LoadPlan,
    ReadMode,
    RefreshPlan,
    RunIdentity,
    RunKind,
    Window,
)

OWNER = Owner(name="Labs & Co <team>", email="labs@example.com")
CONTEXT = Context(
    environment="test",
    region="eu-west-1",
    buckets=Buckets(data="data-bucket", dags="dags-bucket"),
    secrets=SecretNames(salesforce="s/sf", s3_target="s/s3", redshift="s/rs", job_metadata="s/jm"),
    mail=MailSettings(sender="idiscover@example.com", recipients=("ops@example.com", "labs@example.com")),
    emr=EmrSettings(
        release_label="emr-spark-8.0.0",
        instance_type="m7g.xlarge",
        core_instances=2,
        service_role="service",
        job_flow_role="instance",
        log_prefix="emr-logs",
        idle_timeout_seconds=900,
        step_timeout_minutes=30,
        poll_seconds=30,
    ),
    salesforce=SalesforceSettings(api_version="62.0", page_rows=1000, parallel_pages=2, job_timeout_minutes=30),
    redshift=RedshiftSettings(copy_role_arn="arn:aws:iam::123456789012:role/copy"),
    airflow=AirflowSettings(
        environment_name="idiscover-test",
        schedules_start_runs=True,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        sweep_schedule="*/5 * * * *",
        retries=2,
        retry_delay_seconds=60,
        emr_pool_slots=3,
    ),
)
COLUMNS = (ColumnPlan(salesforce="Id", type=FieldType.ID, column="id"),)
RUN = RunIdentity(dag_id="sfdc_to_s3__account", run_id="scheduled__2026-01-06T00:00:00+00:00", run_type="scheduled")


def header(dag_id: str, family: Family) -> DagHeader:
    return DagHeader(
        dag_id=dag_id,
        family=family,
        description="d",
        doc_md="d",
        owner=OWNER,
        tags=(),
        wakes_on=(),
        outlet="x-idiscover://x/y",
        pools={},
        metadata_versions={},
    )


EXTRACTION = ExtractionPlan(
    header=header("sfdc_to_s3__account", Family.SFDC_TO_S3),
    context=CONTEXT,
    schedule="0 0 * * *",
    object="account",
    salesforce_object="Account",
    operation="queryAll",
    columns=COLUMNS,
    key="id",
    daily_read_mode=ReadMode.WINDOW,
    most_gone_percent=20,
    delta_field="SystemModstamp",
    lookback_minutes=10,
    start=datetime(2025, 1, 1, tzinfo=UTC),
    filter=(),
    code_sha="0a1b2c3",
)
LOAD = LoadPlan(
    header=header("s3_to_redshift__account", Family.S3_TO_REDSHIFT),
    context=CONTEXT,
    object="account",
    table="stg.account",
    columns=("id", "_read_at_utc", "_batch_id"),
    key="id",
    consumers=(),
    wakes=(),
)
REFRESH = RefreshPlan(
    header=header("stg_to_itg__account", Family.STG_TO_ITG),
    context=CONTEXT,
    table="itg.account",
    itg=ItgPlan(
        object="account",
        key="id",
        version_column="system_modstamp",
        columns=("id",),
        country=CountryNone(rule="none"),
        history=False,
    ),
    inputs=("stg.account",),
    reference_inputs=(),
    consumers=(),
    wakes=(),
    uses_as_of_date=False,
    cut_off_hours=6,
    metadata_key="metadata/tables/itg.account.yaml",
    statements=("CALL itg.load_account(:country_code, :as_of_date, :run_id)",),
    target_pool="table__itg__account",
)


def request(start: datetime, end: datetime) -> ExtractionRequest:
    batch_id = "account-20260105-0f3a4b5c6d7e"
    return ExtractionRequest(
        window=Window(
            object="account",
            run_id=RUN.run_id,
            run_kind=RunKind.SCHEDULED,
            order_date=date(2026, 1, 5),
            batch_id=batch_id,
            start_utc=start,
            end_utc=end,
            read_mode=ReadMode.WINDOW,
        ),
        object="account",
        salesforce_object="Account",
        operation="queryAll",
        columns=COLUMNS,
        key="id",
        delta_field="SystemModstamp",
        filter=(),
        data_bucket="data-bucket",
        target_prefix=f"source/account/{batch_id}/",
        status_key="status/x.json",
        secrets=CONTEXT.secrets,
        salesforce=CONTEXT.salesforce,
        region="eu-west-1",
        code_sha="0a1b2c3",
    )


REQUEST = request(datetime(2026, 1, 4, 23, 50, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
MANIFEST = BatchManifest(
    batch_id=REQUEST.window.batch_id,
    object="account",
    salesforce_object="Account",
    run_id=RUN.run_id,
    run_kind="scheduled",
    order_date=date(2026, 1, 5),
    read_mode=ReadMode.WINDOW,
    window_start_utc=REQUEST.window.start_utc,
    window_end_utc=REQUEST.window.end_utc,
    read_started_at_utc=datetime(2026, 1, 6, 0, 5, tzinfo=UTC),
    read_at_utc=datetime(2026, 1, 6, 0, 6, tzinfo=UTC),
    absence_at_utc=None,
    job_ids=("750xx0000000001",),
    columns=("id", "_read_at_utc", "_batch_id"),
    files=(
        BatchFile(key="source/account/b/part-00000.csv.gz", rows=20000, bytes=1_000_000, sha256="00"),
        BatchFile(key="source/account/b/part-00001.csv.gz", rows=345, bytes=23_456, sha256="01"),
    ),
    counts=BatchCounts(
        count_before=20345, count_after=20345, job_rows=20345, page_rows=20345, parsed_rows=20345, file_rows=20345
    ),
    code_sha="0a1b2c3",
    reads=2,
)
