"""The cluster of an extraction, its own or one that a group shares, as `RunJobFlow` takes it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from idiscover.lake.keys import script_prefix
from idiscover.plan.model import ExtractionPlan

BOOTSTRAP_SCRIPT = "bootstrap.sh"
REQUIREMENTS = "requirements.txt"
_FINGERPRINT_LENGTH = 16  # hex digits


def job_flow_overrides(plan: ExtractionPlan, name: str) -> dict[str, Any]:
    """Arguments of RunJobFlow.

    The cluster outlives its steps, so that terminating it is a task of its own, seen in the UI; should nobody
    terminate it, EMR does after `idle_timeout_seconds`. One that a group shares runs steps side by side.

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
        "StepConcurrencyLevel": emr.parallel_steps if plan.cluster_group else 1,
        "ServiceRole": emr.service_role,
        "JobFlowRole": emr.job_flow_role,
        "VisibleToAllUsers": True,
        "Tags": _tags(plan),
    }


def own_cluster_name(plan: ExtractionPlan, run_id: str) -> str:
    """Of the cluster that one run has for itself; `run_id` may be a template.

    With the environment: several in one account have DAGs and runs of the same names, and clusters are found by name.
    """
    return f"idiscover {plan.context.environment} {plan.header.dag_id} {run_id}"


def shared_cluster_name(environment: str, group: str, number: int | str) -> str:
    """Of a cluster that a group shares; `number` is the job metadata's, unique in an environment."""
    return f"idiscover {environment} {group} {number}"


def fingerprint(plan: ExtractionPlan) -> str:
    """Of all that RunJobFlow is given but the name: runs with the same one may use the same cluster."""
    wanted = json.dumps(job_flow_overrides(plan, ""), sort_keys=True)
    return hashlib.sha256(wanted.encode()).hexdigest()[:_FINGERPRINT_LENGTH]


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
    """Whose cluster it is: the platform's, and either one object's or a group's."""
    whose = {"dag_id": plan.header.dag_id, "object": plan.object, "owner": plan.header.owner.email}
    if plan.cluster_group:
        whose = {"cluster_group": plan.cluster_group}
    tags = {"platform": "idiscover", "environment": plan.context.environment, **whose}
    return [{"Key": key, "Value": value} for key, value in tags.items()]
