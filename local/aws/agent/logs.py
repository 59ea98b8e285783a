"""Step logs, as EMR leaves them: gzip'd under <LogUri>/<cluster id>/steps/<step id>/, and the line that says why."""

from __future__ import annotations

import gzip
import logging
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from boto3.exceptions import S3UploadFailedError

log = logging.getLogger(__name__)
NAMES = ("controller", "stdout", "stderr")
MESSAGE_LIMIT = 1000
_TAIL_BYTES = 256 * 1024
_EXCEPTION = re.compile(
    r"^(?:Caused by: |Exception in thread \S+ )?(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Exit|Interrupt)\b(?::.*)?$"
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
        with open(source, "rb") as plain, gzip.open(packed, "wb") as target:
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


def failure_message(run: Path) -> str | None:
    """The last line of stderr that names an exception, else its last line; None if stderr is empty."""
    path = run / "stderr"
    if not path.exists():
        return None
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = [line.rstrip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    named = [line for line in lines if _EXCEPTION.match(line)]
    chosen = (named or lines or [None])[-1]
    return chosen[:MESSAGE_LIMIT] if chosen else None
