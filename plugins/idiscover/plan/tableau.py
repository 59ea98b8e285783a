"""The DAG `publish_tableau`: brings each subject to Tableau after its table was loaded. One per environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from idiscover.metadata.subjects import SubjectSpec
from idiscover.plan.model import Context, PlanModel

TABLEAU_DAG_ID = "publish_tableau"

# Airflow skips files that hold neither "dag" nor "airflow", without a word.
_STUB = '''"""publish_tableau: brings the subjects to Tableau after each load.

Made by the compiler; an edit here is overwritten. The plan of this Airflow DAG lies beside it.
"""

from pathlib import Path

from idiscover.orchestration.builder import build_dag

dag = build_dag(Path(__file__).with_suffix(".json"))
'''


class TableauPlan(PlanModel):
    """`publish_tableau.json`: which subjects there are, and what wakes the DAG. A run reads the metadata anew."""

    kind: Literal["tableau"] = "tableau"
    context: Context
    subjects: tuple[str, ...]
    wakes_on: tuple[str, ...]  # assets of the subjects' tables


def render_tableau_files(subjects: Mapping[str, SubjectSpec], context: Context) -> dict[str, str]:
    """Relative file name → text, beside the files of the other DAGs; none where nothing is published."""
    from idiscover.plan.build import asset_uri  # only here: every DAG file imports this module, and builds nothing

    if context.secrets.tableau is None or not subjects:
        return {}
    uris = {asset_uri(spec.table) for spec in subjects.values()}
    plan = TableauPlan(context=context, subjects=tuple(sorted(subjects)), wakes_on=tuple(sorted(uris)))
    text = json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    return {f"{TABLEAU_DAG_ID}.json": text, f"{TABLEAU_DAG_ID}.py": _STUB}
