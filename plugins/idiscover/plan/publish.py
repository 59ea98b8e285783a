"""The plan of the DAG `publish_dags`. Its DAG file is not generated: `dags/publish_dags.py`, which reads this plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from idiscover.plan.model import Context, PlanModel

PUBLISH_DAG_ID = "publish_dags"


class PublishPlan(PlanModel):
    """`generated/publish_dags.json`: when the DAG runs, whom it tells. A run reads the context anew.

    `metadata_versions`: file → version of what was published and no other plan is made from, such as subjects where no
    Tableau is told of them.
    """

    kind: Literal["publish"] = "publish"
    context: Context
    metadata_versions: dict[str, str] = Field(default_factory=dict)


def render_publish_files(context: Context, versions: Mapping[str, str]) -> dict[str, str]:
    """Relative file name → text, to be written beside the files of `plan.dag_files.render_dag_files`.

    Args:
        context: of the environment.
        versions: file → version of what no other plan tells.
    """
    plan = PublishPlan(context=context, metadata_versions=dict(sorted(versions.items())))
    return {f"{PUBLISH_DAG_ID}.json": json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"}
