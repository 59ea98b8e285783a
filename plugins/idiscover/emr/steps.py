"""The step that extracts one object, as `AddJobFlowSteps` takes it."""

from __future__ import annotations

from typing import Any

from idiscover.lake.keys import script_prefix
from idiscover.plan.model import ExtractionPlan

ENTRY_POINT = "extract.py"
LIBRARY = "idiscover.zip"


def extraction_step(plan: ExtractionPlan, request_uri: str, whose: str = "") -> dict[str, Any]:
    """One spark-submit.

    It is told where its request lies and nothing else: arguments are shown to everyone who may list steps. A failed
    step leaves the cluster alone (CONTINUE), because terminating it is a task of its own.

    On a shared cluster its name says whose it is, and its driver runs in the step's own process (client mode): EMR
    cancels a step by killing its processes, and a driver on another node would go on reading.

    Args:
        plan: the extraction.
        request_uri: `s3://…/request.json`; may be a template that Airflow renders.
        whose: on a shared cluster, what tells this round of the run from others; may be a template.
    """
    folder = f"s3://{plan.context.buckets.data}/{script_prefix(plan.code_sha)}"
    return {
        "Name": f"extract {plan.object}{whose}",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {
            "Jar": "command-runner.jar",
            "Args": [
                "spark-submit",
                "--deploy-mode",
                "client" if plan.cluster_group else "cluster",
                "--py-files",
                f"{folder}{LIBRARY}",
                f"{folder}{ENTRY_POINT}",
                "--request",
                request_uri,
            ],
        },
    }
