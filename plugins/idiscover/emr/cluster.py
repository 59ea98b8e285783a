"""The cluster that one extraction creates, as `RunJobFlow` takes it."""

from __future__ import annotations

from typing import Any

from idiscover.lake.keys import script_prefix
from idiscover.plan.model import ExtractionPlan

BOOTSTRAP_SCRIPT = "bootstrap.sh"
REQUIREMENTS = "requirements.txt"


def job_flow_overrides(plan: ExtractionPlan, name: str) -> dict[str, Any]:
    """Arguments of RunJobFlow.

    The cluster outlives its steps, so that terminating it is a task of its own, seen in the UI; should nobody
    terminate it, EMR does after `idle_timeout_seconds`.

    Args:
        plan: the extraction.
        name: the cluster's name; may be a template that Airflow renders.
    """
    emr = plan.context.emr
    return {
        "Name": name,
        "ReleaseLabel": emr.release_label,
        "Applications": [{"Name": "Spark"}],
        "LogUri": f"s3://{plan.context.buckets.data}/{emr.log_prefix.strip('/')}/",
        "Instances": _instances(plan),
        "BootstrapActions": [_bootstrap(plan)],
        "AutoTerminationPolicy": {"IdleTimeout": emr.idle_timeout_seconds},
        "StepConcurrencyLevel": 1,
        "ServiceRole": emr.service_role,
        "JobFlowRole": emr.job_flow_role,
        "VisibleToAllUsers": True,
        "Tags": _tags(plan),
    }


def _instances(plan: ExtractionPlan) -> dict[str, Any]:
    emr = plan.context.emr
    groups = [_group("primary", "MASTER", emr.instance_type, 1)]
    if emr.core_instances:
        groups.append(_group("core", "CORE", emr.instance_type, emr.core_instances))
    instances: dict[str, Any] = {
        "InstanceGroups": groups,
        "KeepJobFlowAliveWhenNoSteps": True,
        "TerminationProtected": False,
    }
    if emr.subnet_id is not None:
        instances["Ec2SubnetId"] = emr.subnet_id
    return instances


def _group(name: str, role: str, instance_type: str, count: int) -> dict[str, Any]:
    return {
        "Name": name,
        "Market": "ON_DEMAND",
        "InstanceRole": role,
        "InstanceType": instance_type,
        "InstanceCount": count,
    }


def _bootstrap(plan: ExtractionPlan) -> dict[str, Any]:
    """Installs, on every node, what the PySpark code of this version needs."""
    folder = f"s3://{plan.context.buckets.data}/{script_prefix(plan.code_sha)}"
    return {
        "Name": "install requirements",
        "ScriptBootstrapAction": {"Path": f"{folder}{BOOTSTRAP_SCRIPT}", "Args": [f"{folder}{REQUIREMENTS}"]},
    }


def _tags(plan: ExtractionPlan) -> list[dict[str, str]]:
    tags = {
        "platform": "idiscover",
        "environment": plan.context.environment,
        "dag_id": plan.header.dag_id,
        "object": plan.object,
        "owner": plan.header.owner.email,
    }
    return [{"Key": key, "Value": value} for key, value in tags.items()]
