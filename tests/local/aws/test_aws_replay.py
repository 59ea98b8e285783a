"""Replay: the properties in a process of their own, and the journal's records by themselves."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

from aws_stand import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.aws.blobs import Body
from local.aws.journal import Entry, Journal, Request, encode

ENTRIES = st.builds(
    Entry,
    at_utc=st.datetimes(min_value=dt.datetime(2000, 1, 1)),
    seed=st.integers(0, 2**64 - 1),
    request=st.builds(
        Request,
        environ=st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4),
        body=st.binary(max_size=200).map(lambda data: Body(len(data), inline=data)),
        names=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2),
    ),
)


def test_replayed_state_is_the_acknowledged_state() -> None:
    file = Path(__file__).with_name("aws_replay_properties.py")
    path = os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(file),
    ]
    environment = {**os.environ, "PYTHONPATH": path, "S3_UPLOAD_PART_MIN_SIZE": "1000"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "1 passed" in result.stdout


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=40,
    deadline=None,
)
@given(entries=st.lists(ENTRIES, max_size=6), cut=st.integers(1, 400))
def test_a_torn_tail_costs_only_the_last_record(tmp_path: Path, entries: list[Entry], cut: int) -> None:
    journal = Journal(tmp_path, 0)
    os.truncate(journal.path, 0)
    for entry in entries:
        journal.append(entry)
    journal.close()
    lost = len(encode(entries[-1])) if entries else 0
    os.truncate(journal.path, max(journal.path.stat().st_size - min(cut, lost), 0))
    reopened = Journal(tmp_path, 0)
    kept = entries[:-1] if entries else []
    assert list(reopened.entries()) == kept
    reopened.append(ANOTHER)
    assert list(reopened.entries()) == [*kept, ANOTHER]
    reopened.close()


def test_damage_is_noticed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    journal.append(ANOTHER)
    data = bytearray(journal.path.read_bytes())
    data[-1] ^= 1
    journal.path.write_bytes(data)
    assert list(journal.entries()) == []
    assert journal.path.stat().st_size == 0
    journal.close()


ANOTHER = Entry(
    dt.datetime(2026, 1, 1),
    7,
    Request({"REQUEST_METHOD": "PUT"}, Body(1, inline=b"x"), {}),
)
