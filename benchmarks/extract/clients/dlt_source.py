"""dlt's Salesforce source, as ingestr ships it, into JSON files, dlt's default. Runs in an environment of its own."""

import json
import os
import sys

import dlt
from ingestr.src.salesforce import salesforce_source


def main() -> None:
    name, folder = sys.argv[1:]
    os.environ["DLT_DATA_DIR"] = f"{folder}/dlt"
    source = salesforce_source("user@example.com", "password", "token", "login", custom_object=name)
    destination = dlt.destinations.filesystem(bucket_url=f"file://{folder}/files")
    pipeline = dlt.pipeline(
        "extract", destination=destination, dataset_name="lake", pipelines_dir=f"{folder}/pipelines"
    )
    pipeline.run(source.with_resources("custom"))
    counts = pipeline.last_trace.last_normalize_info.row_counts
    print(json.dumps({"rows": sum(rows for table, rows in counts.items() if not table.startswith("_dlt"))}))


if __name__ == "__main__":
    main()
