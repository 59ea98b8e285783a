"""publish_dags: brings edits of the metadata in the bucket to the DAG files, without a deploy.

The one Airflow DAG file that is not generated: what goes wrong while files are generated cannot take away the DAG that
generates them anew. Its plan is written with theirs.
"""

from pathlib import Path

from idiscover.orchestration.publish_dag import build

dag = build(Path(__file__).parent / "generated" / "publish_dags.json")
