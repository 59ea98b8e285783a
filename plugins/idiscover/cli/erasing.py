"""From the words of `idiscover erase` to what is to be erased."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import typer

from idiscover.aws.erasure import ErasureRequest
from idiscover.aws.erasure_search import Findings
from idiscover.aws.erasure_tables import Ids
from idiscover.cli.deployed import Waker, open_deployed
from idiscover.errors import ConfigError
from idiscover.lake.suppression import SHORT_LENGTH
from idiscover.lake.suppression import whole_id as completed

_ID = re.compile(r"^[A-Za-z0-9]{15}([A-Z0-5]{3})?$")


def request_of(
    context_place: str, record_ids: Sequence[str], reason: str | None, tell: Callable[[str], None]
) -> ErasureRequest:
    """What is to be erased, in the environment that a context file describes.

    Raises:
        ConfigError: an Id is none, or the reason names one.
    """
    ids = Ids(tuple(dict.fromkeys(whole_id(record_id) for record_id in record_ids)))
    if reason is not None and ids.redact(reason) != reason:
        raise ConfigError(
            "the reason names a record that is to be erased",
            where="the command line",
            key="--reason",
            expected="words that lead to nobody: they stay in job.erasure and in the notes of runs",
            remedy="name the request instead",
        )
    deployed = open_deployed(context_place)
    return ErasureRequest(
        deployed.context,
        deployed.plans,
        ids,
        tell,
        Waker(deployed.context, "erase", reason),
    )


def whole_id(record_id: str) -> str:
    """An Id of 15 or 18 characters as 18: three more say which of its letters are capitals, five by five.

    Raises:
        ConfigError: it is no Id, or its last three characters do not fit the others.
    """
    if not _ID.match(record_id):
        raise ConfigError(
            "this is no Salesforce Id",
            where="the command line",
            got=f"{len(record_id)} characters",  # not the Id: it would stand in a shell's log
            expected="15 letters and digits, or 18",
        )
    whole = completed(record_id[:SHORT_LENGTH])
    if len(record_id) > SHORT_LENGTH and record_id != whole:
        raise ConfigError(
            "the last three characters of an Id do not fit the others",
            where="the command line",
            got=record_id[SHORT_LENGTH:],
            expected=whole[SHORT_LENGTH:],
            remedy="Ids tell capitals from small letters: copy it as it is",
        )
    return whole


def say_findings(found: Findings, word: str, tell: Callable[[str], None]) -> None:
    """A line per layer and table."""
    for line in found.lines:
        tell(f"{word} {line}")
    if found.is_empty:
        tell("no version of an object and no table holds the Id")


def ask(count: int, objects: Sequence[str]) -> None:
    """Goes on if a person says so, who is told what it is: an Id does not look like a person or a lab."""
    records = "this record" if count == 1 else f"these {count} records"
    of = f"of {', '.join(objects)}" if objects else "(itg has none such)"
    typer.confirm(f"Erase {records} {of} for good, old versions too?", abort=True)
