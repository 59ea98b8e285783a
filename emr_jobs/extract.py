"""The PySpark step of one extraction: `spark-submit … extract.py --request s3://bucket/key`.

Exit status 0: the batch's manifest stands (also when it stood before). Otherwise the last line on
stderr says why.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from emr_jobs.spark_pages import SparkPages
from emr_jobs.step import attempt, one_line, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step; returns the exit status."""
    request_uri = _arguments(argv).request
    signal.signal(signal.SIGTERM, _on_terminate)
    spark = SparkPages(f"idiscover {request_uri}")
    error = attempt(lambda: run(request_uri, spark))
    spark.stop(one_line(error) if error else "")
    return 1 if error else 0


def _on_terminate(_number: int, _frame: FrameType | None) -> None:
    """A cancelled step leaves by the usual way, which aborts its query job."""
    raise SystemExit("the step was cancelled")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="extract.py", description="Extract one window of one object.")
    parser.add_argument("--request", required=True, help="s3://bucket/key of an ExtractionRequest")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
