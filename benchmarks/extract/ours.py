"""Our own extraction, a whole spark-submit: the zip, the request and the command that a step of EMR has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from idiscover.lake.keys import source_prefix, status_key
from idiscover.metadata.models import FieldType, SalesforceSettings
from idiscover.plan.model import ColumnPlan, ExtractionRequest, ReadMode

from benchmarks.extract.stage import BUCKET, REGION, ROOT, Stage, object_name
from emr_jobs.package import build_zip
from local.aws.agent.java import find_java_home
from local.aws.agent.spark import find_spark_home
from local.salesforce.large.rows import FIELDS
from tests.integration.extraction_stack import SPARK_PYTHON, request_for

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)
_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def request(
    rows: int,
    batch: str,
    page_rows: int,
    parallel: int,
    start: datetime = _FIRST,
    read_mode: ReadMode = ReadMode.WINDOW,
) -> ExtractionRequest:
    """A read of the large object; by default a window that all its rows lie in."""
    columns = tuple(
        ColumnPlan(
            salesforce=field.name, type=FieldType(field.type.value), column=field.name.removesuffix("__c").lower()
        )
        for field in FIELDS
    )
    settings = SalesforceSettings(
        api_version="62.0", page_rows=page_rows, parallel_pages=parallel, job_timeout_minutes=30
    )
    return request_for(
        "testing_volume",
        start,
        _LAST,
        batch,
        read_mode,
        object="test_record",
        salesforce_object=object_name(rows),
        columns=columns,
        key="id",
        data_bucket=BUCKET,
        target_prefix=source_prefix("test_record", batch),
        status_key=status_key("sfdc_to_s3__test_record", batch, "extract"),
        salesforce=settings,
        region=REGION,
    )


def prepare(stage: Stage, wanted: ExtractionRequest, cores: int) -> tuple[list[str], dict[str, str]]:
    """(command, environment) of the step, with all that it finds in its place."""
    folder = stage.folder / "ours"
    folder.mkdir(exist_ok=True)
    stage.put_secret("sf", {"grant_type": "jwt", **stage.credentials})
    stage.put_secret("s3", {"access_key_id": "testing", "secret_access_key": "testing"})
    key = f"status/{wanted.window.batch_id}/request.json"
    target = stage.bucket / key
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(wanted.model_dump_json())
    library, script = folder / "idiscover.zip", folder / "extract.py"
    build_zip(library)
    script.write_bytes((ROOT / "emr_jobs" / "extract.py").read_bytes())
    home = find_spark_home(SPARK_PYTHON)
    command = [str(home / "bin" / "spark-submit"), "--master", f"local[{cores}]", "--conf", "spark.ui.enabled=false"]
    command += ["--driver-memory", "512m", "--driver-java-options", _JVM]
    command += ["--conf", "spark.driver.host=127.0.0.1", "--py-files", str(library), str(script)]
    command += ["--request", f"s3://{BUCKET}/{key}"]
    return command, {**stage.environment(), **_spark_environment(folder, home)}


def _spark_environment(folder: Path, home: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": "",
        "JAVA_HOME": str(find_java_home(SPARK_PYTHON, folder)),
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LAUNCHER_OPTS": _JVM,
        "PYSPARK_PYTHON": str(SPARK_PYTHON),
        "PYSPARK_DRIVER_PYTHON": str(SPARK_PYTHON),
    }


def told(stage: Stage, wanted: ExtractionRequest) -> Mapping[str, object]:
    """Rows, and seconds by phase, as the step's own log has them."""
    status = json.loads((stage.bucket / wanted.status_key).read_text())
    phases = status["phases_seconds"]
    return {"rows": status["rows"], "pages_seconds": phases.get("pages"), "phases": phases, "files": status["files"]}
