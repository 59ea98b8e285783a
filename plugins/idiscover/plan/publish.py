"""The plan of the DAG `publish_dags`. Its DAG file is not generated: `dags/publish_dags.py`, which reads this plan."""

from __future__ import annotations

import json
from typing import Literal

from idiscover.plan.model import Context, PlanModel

PUBLISH_DAG_ID = "publish_dags"


class PublishPlan(PlanModel):
    """`generated/publish_dags.json`: when the DAG runs, whom it tells. A run reads the context anew."""

    kind: Literal["publish"] = "publish"
    context: Context


def render_publish_files(context: Context) -> dict[str, str]:
    """Relative file name → text, to be written beside the files of `plan.dag_files.render_dag_files`."""
    plan = PublishPlan(context=context)
    return {f"{PUBLISH_DAG_ID}.json": json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"}
