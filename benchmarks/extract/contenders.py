"""Who is measured: how each is prepared and run, and how many rows it brought."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.extract import environments, ours
from benchmarks.extract.stage import BUCKET, ROOT, Stage, object_name, query

CLIENTS = ROOT / "benchmarks" / "extract" / "clients"
_AIRFLOW_CONFIG = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
_TAP_CONFIG = {"start_date": "2000-01-01T00:00:00Z", "api_type": "BULK", "select_fields_by_default": "true"}
_Told = Mapping[str, object]


@dataclass(frozen=True)
class Options:
    """What can be set for all runs."""

    page_rows: int
    cores: int


@dataclass(frozen=True)
class Attempt:
    """One run that is ready to go: what to start, and what came of it, asked for after its end."""

    command: Sequence[str]
    environment: Mapping[str, str]
    told: Callable[[Path], _Told]  # of the file that its stdout went to


Prepare = Callable[[Stage, int, Path, Options], Attempt]


@dataclass(frozen=True)
class Contender:
    """`is_peer`: it reads the smaller objects."""

    name: str
    what: str
    prepare: Prepare
    is_peer: bool = False


def _ours(stage: Stage, rows: int, folder: Path, options: Options) -> Attempt:
    wanted = ours.request(rows, folder.name, options.page_rows, options.cores)
    command, environment = ours.prepare(stage, wanted, options.cores)
    return Attempt(command, environment, lambda _: ours.told(stage, wanted))


def _bulk2(stage: Stage, rows: int, folder: Path, options: Options) -> Attempt:
    python = environments.python_with(environments.BULK2)
    command = [str(python), str(CLIENTS / "bulk2.py"), object_name(rows), query(rows), str(folder / "files")]
    return Attempt(command, stage.environment(), _last_line)


def _limit(way: str, stage: Stage, rows: int, folder: Path, options: Options) -> Attempt:
    python = environments.python_with(environments.LIMITS)
    command = [str(python), str(CLIENTS / "limits.py"), way, "--soql", query(rows), "--processes", str(options.cores)]
    return Attempt(command, stage.environment(), lambda output: {"rows": rows, **_known(_last_line(output))})


def _operator(stage: Stage, rows: int, folder: Path, options: Options) -> Attempt:
    python = environments.python_with(environments.OPERATOR)
    known = stage.credentials
    extra = {"domain": "login", "consumer_key": known["client_id"], "private_key": known["private_key"]}
    connection = {"conn_type": "salesforce", "login": known["username"], "extra": extra}
    environment = {
        **stage.environment(),
        **_AIRFLOW_CONFIG,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW_CONN_SALESFORCE_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "extra": {"region_name": "eu-west-1"}}),
    }
    key = f"{folder.name}.csv"
    command = [str(python), str(CLIENTS / "airflow_operator.py"), query(rows), BUCKET, key]
    return Attempt(command, environment, lambda _: {"rows": _csv_rows(stage.bucket / key)})


def _dlt(stage: Stage, rows: int, folder: Path, options: Options) -> Attempt:
    python = environments.python_with(environments.DLT, alone=[environments.DLT_SOURCE])
    command = [str(python), str(CLIENTS / "dlt_source.py"), object_name(rows), str(folder)]
    environment = {**stage.environment(), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    return Attempt(command, environment, _last_line)


def _tap(stage: Stage, rows: int, folder: Path, options: Options) -> Attempt:
    python = environments.python_with(environments.TAP)
    known = stage.credentials
    secrets = {name: known[name] for name in ("client_id", "client_secret", "refresh_token")}
    (folder / "config.json").write_text(json.dumps({**_TAP_CONFIG, **secrets}))
    command = [str(python), str(python.parent / "tap-salesforce"), "--config", "config.json"]
    environment = stage.environment()
    found = subprocess.run(
        [*command, "--discover"], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    catalog = json.loads(found.stdout)
    catalog["streams"] = [one for one in catalog["streams"] if one["stream"] == object_name(rows)]
    for entry in catalog["streams"][0]["metadata"]:
        entry["metadata"]["selected"] = True
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return Attempt([*command, "--properties", "catalog.json"], environment, lambda output: {"rows": _records(output)})


def _last_line(output: Path) -> _Told:
    told: _Told = json.loads(output.read_text().splitlines()[-1])
    return told


def _known(told: _Told) -> _Told:
    return {name: value for name, value in told.items() if value is not None}


def _records(path: Path) -> int:
    """Records among Singer's messages."""
    with path.open("rb") as lines:
        return sum(b'"RECORD"' in line for line in lines)


def _csv_rows(path: Path) -> int:
    with path.open(newline="") as lines:
        return sum(1 for _ in csv.reader(lines)) - 1


CONTENDERS = {
    one.name: one
    for one in (
        Contender("ours", "spark-submit of emr_jobs/extract.py, into S3", _ours),
        Contender("bulk2", "simple-salesforce bulk2.download, into plain files", _bulk2),
        Contender("raw", "limit: pages side by side, packed, thrown away", partial(_limit, "raw")),
        Contender("arrow", "limit: the same, unpacked, parsed by Arrow, packed, thrown away", partial(_limit, "arrow")),
        Contender("plain", "limit: pages side by side, asked for unpacked, thrown away", partial(_limit, "plain")),
        Contender("operator", "Airflow's SalesforceToS3Operator", _operator, is_peer=True),
        Contender("dlt", "dlt's Salesforce source, into JSON files", _dlt, is_peer=True),
        Contender("tap", "Singer's tap-salesforce (BULK), stdout into a file", _tap, is_peer=True),
    )
}
