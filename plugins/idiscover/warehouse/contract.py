"""The contract on the columns of dm's views: what people build on stays, unless it is broken on purpose. Pure.

`sql/contract/dm_views.json` has the views of the last change; a release that drops or retypes a column of them is
refused until somebody has raised the contract's version and said why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from idiscover.errors import ConfigError
from idiscover.warehouse import check_results, dictionary, entitlement
from idiscover.warehouse.views import MartView

PATH = "contract/dm_views.json"  # below sql/
COMMAND = "idiscover contract"
_INTEGERS = ("smallint", "integer", "bigint")
_SIZES = re.compile(r"\d+")

Views = Mapping[str, Mapping[str, str]]  # view → column → type


@dataclass(frozen=True)
class Break:
    """Columns that went or got another type, on purpose."""

    version: int
    reason: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Contract:
    """What the views promise.

    Attributes:
        version: 1 at first, one more with each break.
        views: view → column → type.
        breaks: oldest first.
    """

    version: int = 1
    views: Views = field(default_factory=dict)
    breaks: tuple[Break, ...] = ()

    def text(self) -> str:
        """As the file has it."""
        document = {
            "version": self.version,
            "breaks": [
                {"version": item.version, "reason": item.reason, "columns": [*item.columns]} for item in self.breaks
            ],
            "views": {view: dict(columns) for view, columns in sorted(self.views.items())},
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def parse_contract(text: str, where: str) -> Contract:
    """The file.

    Raises:
        ConfigError: it is no contract.
    """
    try:
        document = json.loads(text)
        breaks = tuple(Break(item["version"], item["reason"], tuple(item["columns"])) for item in document["breaks"])
        views = {view: dict(columns.items()) for view, columns in document["views"].items()}
        contract = Contract(document["version"], views, breaks)
        is_sound = contract.version == 1 + len(breaks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "the contract on dm's views cannot be read",
            where=where,
            got=f"{type(error).__name__}: {error}",
            expected="version, breaks, views, as idiscover contract writes them",
            remedy="take the file back to its last version (git checkout)",
        ) from error
    if not is_sound:
        raise ConfigError(
            "the contract's version and its breaks do not agree",
            where=where,
            key="version",
            got=f"version {contract.version}, {len(breaks)} breaks",
            expected=f"version {1 + len(breaks)}: one more with each break",
            remedy=f"take the file back (git checkout), and let {COMMAND} write it",
        )
    return contract


def promised(views: Sequence[MartView]) -> Views:
    """What the views of a release promise."""
    found = {view.name: {column.name: column.type for column in view.columns} for view in views}
    platform = {item.VIEW: dict(item.COLUMNS) for item in (check_results, dictionary, entitlement)}
    return {**found, **platform}


def problems(contract: Contract, views: Views, where: str) -> Iterator[ConfigError]:
    """The views keep the contract, and the contract has all of their columns."""
    for column, before, after in _broken(contract.views, views):
        yield ConfigError(
            "a release would break what is built on a view",
            where=where,
            key=column,
            got="no such column" if after is None else after,
            expected=f"{before}, or a wider type",
            remedy=f'bring it back; or, if nobody needs it, break the contract: {COMMAND} --accept "why", and write a'
            f" line under Removed or Changed in CHANGELOG.md",
        )
    lacking = sorted(_new(contract.views, views))
    if lacking:
        yield ConfigError(
            "the contract does not have what the views have",
            where=where,
            got=", ".join(lacking),
            expected="every column of every view with its type",
            remedy=f"have it written: {COMMAND}",
        )


def renewed(contract: Contract, views: Views, reason: str | None, where: str) -> Contract:
    """The contract with the views as they are now.

    Args:
        contract: as it stands.
        views: of the release.
        reason: why columns may go or change their type; None: they may not.
        where: the file.

    Raises:
        ConfigError: they do, without a reason; or there is a reason and nothing is broken.
    """
    broken = tuple(column for column, _, _ in _broken(contract.views, views))
    if broken and reason is None:
        raise next(problems(contract, views, where))
    if reason is None:
        return Contract(contract.version, views, contract.breaks)
    if not reason.strip():
        raise ConfigError(
            "a break of the contract without a reason",
            where=where,
            got="an empty --accept",
            expected="why nobody needs these columns",
            remedy=f'say why: {COMMAND} --accept "why"',
        )
    if not broken:
        raise ConfigError(
            "nothing breaks the contract",
            where=where,
            got=f"--accept {reason}",
            expected="a column that goes or gets another type",
            remedy=f"leave --accept away: {COMMAND}",
        )
    version = contract.version + 1
    return Contract(version, views, (*contract.breaks, Break(version, reason, broken)))


def _broken(before: Views, after: Views) -> Iterator[tuple[str, str, str | None]]:
    """Column, its type, and its type now; None where it has gone."""
    for view, columns in sorted(before.items()):
        for column, kind in columns.items():
            now = after.get(view, {}).get(column)
            if now is None or not is_wider(kind, now):
                yield f"{view}.{column}", kind, now


def _new(before: Views, after: Views) -> Iterator[str]:
    """Columns and wider types that the contract does not have."""
    for view, columns in after.items():
        for column, kind in columns.items():
            known = before.get(view, {}).get(column)
            if known is None or (known != kind and is_wider(known, kind)):
                yield f"{view}.{column} {kind}"


def is_wider(before: str, after: str) -> bool:
    """Whether every value of one type is one of the other, and looks the same to whoever reads it."""
    if before == after:
        return True
    (name, *_), (other, *_) = before.split("("), after.split("(")
    old, new = [int(size) for size in _SIZES.findall(before)], [int(size) for size in _SIZES.findall(after)]
    if name == other == "varchar":
        return old[0] <= new[0]
    if name == other == "numeric":
        return old[1] <= new[1] and old[0] - old[1] <= new[0] - new[1]
    return name in _INTEGERS and other in _INTEGERS and _INTEGERS.index(name) <= _INTEGERS.index(other)
