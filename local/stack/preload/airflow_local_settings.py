"""What Airflow's scheduler and DAG processor have in memory before they fork a process per task or per file.

Airflow imports a module of this name as it starts; this one is on the path of those two only. Importing the platform,
the amazon provider and boto3's descriptions of services costs most of a second; done here, once, no task has to do it.
Whoever changes code under `plugins/` gets a new scheduler from the next `up` (see `Part.holds_code`).

Nothing here opens a connection or starts a thread: neither survives a fork.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os

import botocore.session

__all__: list[str] = []  # Airflow would take every other name for a setting of its own

log = logging.getLogger(__name__)

_MODULES = (
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.hooks.logs",
    "airflow.providers.amazon.aws.log.cloudwatch_task_handler",
    "airflow.providers.amazon.aws.triggers.emr",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.serialization.serialized_objects",
    "idiscover.aws.extraction_run",
    "idiscover.aws.loader",
    "idiscover.aws.publishing",
    "idiscover.aws.refresher",
    "idiscover.aws.slices",
    "idiscover.aws.sweep",
    "idiscover.aws.tableau_publishing",
    "idiscover.orchestration.builder",
    "idiscover.orchestration.extraction_dag",
    "idiscover.orchestration.load_dag",
    "idiscover.orchestration.publish_dag",
    "idiscover.orchestration.refresh_dag",
    "idiscover.orchestration.sweep_dag",
    "idiscover.orchestration.tableau_dag",
)
_SERVICES = ("emr", "logs", "s3", "secretsmanager", "ses", "sts")


def _preload() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    # Each session of boto3's reads the descriptions of services anew; the provider's hooks make one each.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    from idiscover.aws.clients import client

    for service in _SERVICES:
        client(service, os.environ["AWS_DEFAULT_REGION"])


_preload()
