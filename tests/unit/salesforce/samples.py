"""A request for tests to change."""

from __future__ import annotations

from datetime import UTC, date, datetime

from idiscover.metadata.models import FieldType, SalesforceSettings, SecretNames
from idiscover.plan.model import ColumnPlan, ExtractionRequest, ReadMode, RunKind, Window


def sample_request(**changes: object) -> ExtractionRequest:
    """Labs of one day, three columns; `changes` replace fields, `start` and `end` the window's."""
    window = Window(
        object="lab",
        run_id="run",
        run_kind=RunKind.SCHEDULED,
        order_date=date(2026, 1, 5),
        batch_id="lab-20260105-0123456789ab",
        start_utc=changes.pop("start", datetime(2026, 1, 5, tzinfo=UTC)),
        end_utc=changes.pop("end", datetime(2026, 1, 6, tzinfo=UTC)),
        read_mode=changes.pop("read_mode", ReadMode.WINDOW),
    )
    fields: dict[str, object] = {
        "window": window,
        "object": "lab",
        "salesforce_object": "Account",
        "operation": "queryAll",
        "columns": (
            ColumnPlan(salesforce="Id", type=FieldType.ID, column="id"),
            ColumnPlan(salesforce="Name", type=FieldType.STRING, column="name"),
            ColumnPlan(salesforce="SystemModstamp", type=FieldType.DATETIME, column="system_modstamp"),
        ),
        "key": "id",
        "delta_field": "SystemModstamp",
        "filter": (),
        "data_bucket": "data",
        "target_prefix": f"source/lab/{window.batch_id}/",
        "status_key": "status/sfdc_to_s3__lab/run/extract.json",
        "secrets": SecretNames(salesforce="sf", s3_target="s3", redshift="rs", job_metadata="jm"),
        "salesforce": SalesforceSettings(api_version="62.0", page_rows=1000, parallel_pages=2, job_timeout_minutes=1),
        "region": "eu-west-1",
        "code_sha": "abc",
    }
    return ExtractionRequest.model_validate({**fields, **changes})
