"""The two files of the DAG `sweep_pending`, which belongs to the environment and to no object or table."""

from __future__ import annotations

import json
from typing import Literal

from idiscover.plan.model import Context, PlanModel

SWEEP_DAG_ID = "sweep_pending"  # the one DAG that belongs to no object and no table

# Airflow skips files that hold neither "dag" nor "airflow", without a word.
_STUB = '''"""sweep_pending: wakes consumers for which something is pending.

Made by the compiler; an edit here is overwritten. The plan of this Airflow DAG lies beside it.
"""

from pathlib import Path

from idiscover.orchestration.builder import build_dag

dag = build_dag(Path(__file__).with_suffix(".json"))
'''


class SweepPlan(PlanModel):
    """`sweep_pending.json`: the environment is all that the DAG needs."""

    kind: Literal["sweep"] = "sweep"
    context: Context


def render_sweep_files(context: Context) -> dict[str, str]:
    """Relative file name → text, to be written beside the files of `plan.dag_files.render_dag_files`."""
    plan = SweepPlan(context=context)
    text = json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    return {f"{SWEEP_DAG_ID}.json": text, f"{SWEEP_DAG_ID}.py": _STUB}
