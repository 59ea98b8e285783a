"""The DAGs `publish_tableau_<subject>`: each brings one subject to Tableau after its table was loaded."""

from __future__ import annotations

import json
from typing import Literal

from idiscover.metadata.models import Catalog
from idiscover.metadata.subjects import SubjectSpec
from idiscover.metadata.table_checks_spec import checks_in_force
from idiscover.metadata.table_columns import TableColumn
from idiscover.plan.model import Context, PlanModel

DAG_PREFIX = "publish_tableau_"  # one underscore: two part family and table in the dag_ids of the data's way
TABLEAU_POOL = "tableau"  # one slot: a personal access token has one session, a second sign-in ends the first
FRESHNESS = "dm.dm_data_freshness"

# Airflow skips files that hold neither "dag" nor "airflow", without a word.
_STUB = '''"""{dag_id}: brings a subject to Tableau after each load of its table.

Made by the compiler from metadata; an edit here is overwritten. The plan of this Airflow DAG lies beside it.
"""

from pathlib import Path

from idiscover.orchestration.builder import build_dag

dag = build_dag(Path(__file__).with_suffix(".json"))
'''


class SubjectPlan(PlanModel):
    """`publish_tableau_<subject>.json`: a subject, all that its data source is made of, and what wakes its DAG.

    Attributes:
        columns: of the table's file.
        checks: table → the checks that are declared of it, for the subject's own table and those that it is made of.
        wakes_on: assets, any of which starts a run: that of the table, and that of the comparison with its source.
    """

    kind: Literal["tableau"] = "tableau"
    context: Context
    subject: SubjectSpec
    columns: tuple[TableColumn, ...]
    checks: dict[str, tuple[str, ...]]
    wakes_on: tuple[str, ...]
    pools: dict[str, int]

    @property
    def dag_id(self) -> str:
        """Of the DAG."""
        return dag_id_of(self.subject.subject)


def dag_id_of(subject: str) -> str:
    """`publish_tableau_<subject>`."""
    return f"{DAG_PREFIX}{subject}"


def tableau_pools(catalog: Catalog, context: Context) -> dict[str, int]:
    """Pool → slots; none where nothing is published."""
    return {TABLEAU_POOL: 1} if context.secrets.tableau is not None and catalog.subjects else {}


def subject_plan(subject: SubjectSpec, catalog: Catalog, context: Context) -> SubjectPlan:
    """The plan of one subject of the catalog."""
    from idiscover.plan.build import asset_uri  # only here: every DAG file imports this module, and builds nothing

    tables = [name for name in (subject.table, *made_of(subject.table, catalog)) if name in catalog.tables]
    return SubjectPlan(
        context=context,
        subject=subject,
        columns=catalog.tables[subject.table].columns,
        checks={name: tuple(check.label for check in checks_in_force(catalog.tables[name].checks)) for name in tables},
        wakes_on=tuple(sorted({asset_uri(subject.table), asset_uri(FRESHNESS)})),
        pools=tableau_pools(catalog, context),
    )


def made_of(table: str, catalog: Catalog) -> list[str]:
    """Tables whose rows a table's are made of, near and far, sorted.

    A table of dm that another names with `marks: reference` is only counted there: dm.dm_data_freshness.
    """
    found: set[str] = set()
    pending = [table]
    while pending:
        spec = catalog.tables.get(pending.pop())
        inputs = spec.inputs if spec is not None else ()
        near = {item.table for item in inputs if item.marks != "reference" or item.table.startswith("itg.")} - found
        found |= near
        pending += near
    return sorted(found - {table})


def render_tableau_files(catalog: Catalog, context: Context) -> dict[str, str]:
    """Relative file name → text, beside the files of the other DAGs; none where nothing is published."""
    files: dict[str, str] = {}
    if context.secrets.tableau is None:
        return files
    for _, subject in sorted(catalog.subjects.items()):
        plan = subject_plan(subject, catalog, context)
        files[f"{plan.dag_id}.json"] = json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
        files[f"{plan.dag_id}.py"] = _STUB.format(dag_id=plan.dag_id)
    return files
