"""Where things lie in the data bucket. Every key the platform writes is made here."""

from __future__ import annotations

import re

RELEASE_KEY = "status/deploy/release.json"  # what the last deploy brought
NEW_FIELDS_PREFIX = "status/new_fields/"  # <object>/<field>.json, until it is taken up
PUBLISH_STATE_KEY = "status/publish/state.json"  # what was published last, and what was refused


def _segment(text: str) -> str:
    """`text` as one path segment: Airflow's run ids hold `:` and `+`."""
    return re.sub(r"[^A-Za-z0-9_.=-]", "_", text)


def source_prefix(object_name: str, batch_id: str) -> str:
    """Folder of a batch that is not yet applied."""
    return f"source/{object_name}/{batch_id}/"


def archive_prefix(object_name: str, batch_id: str) -> str:
    """Folder of a batch that itg holds."""
    return f"archive/{object_name}/{batch_id}/"


def quarantine_prefix(object_name: str, batch_id: str) -> str:
    """Folder of the rows of a batch that broke their contract."""
    return f"quarantine/{object_name}/{batch_id}/"


def manifest_key(prefix: str) -> str:
    """The batch's own manifest inside its folder."""
    return f"{prefix}manifest.json"


def status_key(dag_id: str, run_id: str, step: str) -> str:
    """One JSON log per run and step."""
    return f"status/{dag_id}/{_segment(run_id)}/{_segment(step)}.json"


def schema_key(object_name: str) -> str:
    """What an object of the org was like when it was read last."""
    return f"status/schema/{object_name}.json"


def new_field_key(object_name: str, field: str) -> str:
    """That a field appeared in the org, and waits to be taken up."""
    return f"{NEW_FIELDS_PREFIX}{object_name}/{field}.json"


def script_prefix(sha: str) -> str:
    """Folder of one immutable version of the PySpark code."""
    return f"script/{sha}/"


def metadata_key(relative_path: str) -> str:
    """Key of a metadata file given its path below `metadata/`."""
    return f"metadata/{relative_path}"


def context_key(environment: str) -> str:
    """Key of an environment's settings."""
    return f"context/{environment}.yaml"
