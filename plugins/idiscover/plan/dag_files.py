"""The two files of each DAG: a stub that Airflow parses, and the plan that the stub reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from idiscover.errors import ConfigError
from idiscover.plan.model import Plan

_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)

# Airflow skips files that hold neither "dag" nor "airflow", without a word.
_STUB = '''"""{description}

Made by the compiler from metadata; an edit here is overwritten. The plan of this Airflow DAG lies beside it.
"""

from pathlib import Path

from idiscover.orchestration.builder import build_dag

dag = build_dag(Path(__file__).with_suffix(".json"))
'''


def render_dag_files(plans: Sequence[Plan]) -> dict[str, str]:
    """Relative file name → text: `<dag_id>.py` and `<dag_id>.json` of each plan.

    The same plans give the same bytes, so that a file whose bytes changed is a DAG that changed.
    """
    files: dict[str, str] = {}
    for plan in sorted(plans, key=lambda item: item.header.dag_id):
        name = plan.header.dag_id
        files[f"{name}.json"] = json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
        files[f"{name}.py"] = _STUB.format(description=f"{name}: {plan.header.family.value}.")
    return files


def load_plan(path: Path) -> Plan:
    """The plan that `render_dag_files` wrote.

    Raises:
        ConfigError: the file is missing, cut off, or of another version of the platform.
    """
    try:
        return _PLAN.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            "a DAG's plan cannot be read",
            where=str(path),
            got=str(error),
            remedy="compile the DAG files anew with the code that runs them",
        ) from error
