"""What runs now: the plans in the DAG bucket. Reads, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pydantic import TypeAdapter, ValidationError

from idiscover.aws.dag_files import GENERATED_PREFIX
from idiscover.aws.s3 import Bucket
from idiscover.metadata.models import Context
from idiscover.plan.model import Plan
from idiscover.plan.tableau import DAG_PREFIX, SubjectPlan

_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)
_AT_ONCE = 8


@dataclass(frozen=True)
class RunningDags:
    """The plans of the DAG bucket by dag_id; `unreadable`: texts of those that another version of the code wrote.

    `subjects`: of the DAGs that bring subjects to Tableau.
    """

    plans: dict[str, Plan] = field(default_factory=dict)
    subjects: dict[str, SubjectPlan] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


Running = Callable[[], RunningDags]  # for those who may not need them


def running_dags(context: Context, dag_ids: Collection[str] | None = None) -> RunningDags:
    """The plans that Airflow runs by, of all DAGs or of some."""
    bucket = Bucket(context.buckets.dags, context.region)
    keys = [key for key in bucket.list(GENERATED_PREFIX) if key.endswith(".json")]
    # <family>__<name>, or a subject's; what has no such name is of the environment
    names = {key: PurePosixPath(key).stem for key in keys}
    wanted = {
        key: name
        for key, name in names.items()
        if ("__" in name or name.startswith(DAG_PREFIX)) and (dag_ids is None or name in dag_ids)
    }
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        texts = dict(zip(wanted.values(), threads.map(bucket.read_text, wanted), strict=True))
    found = RunningDags()
    for name, text in texts.items():
        try:
            if name.startswith(DAG_PREFIX):
                found.subjects[name] = SubjectPlan.model_validate_json(text)
            else:
                found.plans[name] = _PLAN.validate_json(text)
        except ValidationError:
            found.unreadable[name] = text
    return found
