"""Runs `publish_dags` for real, edit by edit, and writes what Airflow then shows as JSON.

Real: Airflow, S3 and SES of the AWS stand-in over HTTP, the mirror of the DAG bucket that a laptop has. Played:
Airflow's REST API, which is asked for the pools.

    python -m tests.dags.publishing <ignored dag_id> <file for the results>
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from idiscover.aws import airflow_rest
from idiscover.lake.keys import PUBLISH_STATE_KEY, RELEASE_KEY, status_key
from idiscover.plan.publish import PUBLISH_DAG_ID, render_publish_files

from local.stack.dag_sync import synchronise
from tests.dags.conftest import REPOSITORY
from tests.dags.rehearsal import _inbox
from tests.unit.metadata_samples import DM, sample_context, sample_files

DATA, DAGS = "idiscover-local", "idiscover-local-dags"
FILE, DAG_ID = "tables/dm.fact_test.yaml", "itg_to_dm__fact_test"
BROKEN = DM.replace("family: itg_to_dm", "family: itg_to_dn")
MENDED = DM.replace("description: Facts.", "description: Facts of tests.")


class PlayedAirflow:
    """Airflow's REST API: remembers the pools."""

    pools: dict[str, int]

    def __init__(self, context: object) -> None:
        PlayedAirflow.pools = {}

    def ensure_pools(self, wanted: Mapping[str, int]) -> int:
        """Makes them all."""
        PlayedAirflow.pools = dict(wanted)
        return len(wanted)


class Rehearsal:
    """The buckets, and the folder that mirrors the DAG bucket."""

    def __init__(self, folder: Path) -> None:
        self.s3, self.folder, self.known = boto3.client("s3"), folder, dict[str, str]()
        for bucket in (DATA, DAGS):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        boto3.client("ses").verify_email_identity(EmailAddress=sample_context().mail.sender)
        self.context = (REPOSITORY / "context" / "local.yaml").read_text(encoding="utf-8")
        self.put("context/local.yaml", self.context)
        self.put(RELEASE_KEY, json.dumps({"code_sha": "a" * 40}))
        for path, text in sample_files().items():
            self.put(f"metadata/{path}", text)
        # what a deploy brings first
        (plan,) = render_publish_files(sample_context(), {}).values()
        self.put(f"dags/generated/{PUBLISH_DAG_ID}.json", plan, DAGS)
        dag = (REPOSITORY / "dags" / f"{PUBLISH_DAG_ID}.py").read_text(encoding="utf-8")
        self.put(f"dags/{PUBLISH_DAG_ID}.py", dag, DAGS)
        folder.mkdir()

    def put(self, key: str, text: str, bucket: str = DATA) -> None:
        """Somebody writes an object."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=text.encode())

    def run(self) -> dict[str, Any]:
        """One run of `publish_dags`, and what Airflow shows once the bucket is mirrored again."""
        from airflow.dag_processing.dagbag import DagBag

        mails = len(_inbox())
        synchronise(self.s3, DAGS, self.folder, self.known)
        dag = DagBag(dag_folder=self.folder / f"{PUBLISH_DAG_ID}.py").dags[PUBLISH_DAG_ID]
        run = dag.test()
        synchronise(self.s3, DAGS, self.folder, self.known)
        (ti,) = run.get_task_instances()
        return {
            "state": str(run.state),
            "tries": ti.try_number,
            "files": {
                path.name: path.read_text(encoding="utf-8")
                for path in sorted(self.folder.rglob("*.*"))
                if path.suffix in (".py", ".json")
            },
            "pools": dict(PlayedAirflow.pools),
            "mails": _inbox()[mails:],
            "schedule": str(dag.schedule),
            **(self._shown(ti) if run.state == "success" else {}),
        }

    def _shown(self, ti: Any) -> dict[str, Any]:
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(dag_folder=self.folder)
        return {
            "told": ti.xcom_pull(task_ids="publish"),
            "status": json.load(self.s3.get_object(Bucket=DATA, Key=self._status_key(ti.run_id))["Body"]),
            "import_errors": list(bag.import_errors.values()),
            "dags": sorted(bag.dags),
            "tagged": sorted(dag.dag_id for dag in bag.dags.values() if "edit refused" in dag.tags),
            "doc": bag.dags[DAG_ID].doc_md,
            "tasks": sorted(bag.dags[DAG_ID].task_ids),
        }

    def _status_key(self, run_id: str) -> str:
        return status_key(PUBLISH_DAG_ID, run_id, "publish")


def main(results: Path) -> None:
    """Writes a dictionary of step → facts."""
    from airflow.utils.db import initdb

    initdb()
    airflow_rest.AirflowRest = PlayedAirflow  # type: ignore[misc, assignment]
    where = {"environment": "local", "context_uri": f"s3://{DATA}/context/local.yaml"}
    os.environ["AIRFLOW_VAR_DNA_ENV_VARIABLES"] = json.dumps(where)
    rehearsal = Rehearsal(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / "mirror")
    found = {"first": rehearsal.run()}
    rehearsal.put(f"metadata/{FILE}", BROKEN)
    found["broken"] = rehearsal.run()
    rehearsal.put(f"metadata/{FILE}", MENDED)
    found["mended"] = rehearsal.run()
    rehearsal.put(PUBLISH_STATE_KEY, '{"fingerprint": "cut o')
    found["no state"] = rehearsal.run()
    rehearsal.put("context/local.yaml", "environment: local\n")
    found["no context"] = rehearsal.run()
    found["still no context"] = rehearsal.run()
    del os.environ["AIRFLOW_VAR_DNA_ENV_VARIABLES"]
    found["no variable"] = rehearsal.run()
    results.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
