"""Step logs, as EMR leaves them: gzip'd under <LogUri>/<cluster id>/steps/<step id>/, and the line that says why."""

from __future__ import annotations

import gzip
import logging
import re
import shutil
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from boto3.exceptions import S3UploadFailedError

log = logging.getLogger(__name__)
NAMES = ("controller", "stdout", "stderr")
MESSAGE_LIMIT = 1000
_TAIL_BYTES = 256 * 1024
_EXCEPTION = re.compile(
    r"^(?:Caused by: |Exception in thread \S+ )?(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception|Exit|Interrupt)\b(?::.*)?$"
)


def log_folder(order: dict[str, Any]) -> str | None:
    """The s3:// folder of the step's logs; None if the cluster keeps no logs."""
    uri = order.get("log_uri")
    if not uri:
        return None
    return f"{str(uri).rstrip('/')}/{order['cluster_id']}/steps/{order['step_id']}"


def upload(s3: Any, order: dict[str, Any], run: Path) -> None:
    """Bring the logs to the cluster's LogUri. A bucket that is not there is the cluster's fault: noted, not raised."""
    folder = log_folder(order)
    if folder is None:
        return
    place = urlparse(folder)
    for name in NAMES:
        source = run / name
        if not source.exists():
            continue
        packed = run / f"{name}.gz"
        with source.open("rb") as plain, gzip.open(packed, "wb") as target:
            shutil.copyfileobj(plain, target)
        try:
            s3.upload_file(str(packed), place.netloc, f"{place.path.lstrip('/')}/{name}.gz")
        except S3UploadFailedError as error:
            log.warning("logs of %s are not in %s: %s", order["step_id"], folder, error)
            return


def fetch(s3: Any, uri: str, folder: Path) -> Path:
    """Download an object into `folder` under its own name; ClientError if it is not there."""
    place = urlparse(uri)
    target = folder / Path(place.path).name
    s3.download_file(place.netloc, place.path.lstrip("/"), str(target))
    return target


def failure_message(run: Path) -> tuple[str | None, str]:
    """Why the command failed, and the log (stdout or stderr) that says so.

    The last line that names an exception, with the indented lines of its own text that follow; without such a line, the
    last line there is. Python's traceback comes first: Spark merges a script's stderr into its stdout.
    """
    stdout, stderr = _tail(run / "stdout"), _tail(run / "stderr")
    if "Traceback (most recent call last):" in stdout and (message := _exception(stdout)):
        return message, "stdout"
    if message := _exception(stderr):
        return message, "stderr"
    if stderr or not stdout:
        return (stderr[-1][:MESSAGE_LIMIT] if stderr else None), "stderr"
    return stdout[-1][:MESSAGE_LIMIT], "stdout"


def _tail(path: Path) -> list[str]:
    """The non-empty lines at the end of a log."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return [line.rstrip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]


def _exception(lines: list[str]) -> str | None:
    named = [number for number, line in enumerate(lines) if _EXCEPTION.match(line)]
    if not named:
        return None
    more = takewhile(lambda line: line.startswith("  "), lines[named[-1] + 1 :])
    return " ".join([lines[named[-1]], *(line.strip() for line in more)])[:MESSAGE_LIMIT]
