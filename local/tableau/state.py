"""What the server holds: projects and data sources; kept in a file, so that a stack finds them again."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from local.stack.layout import write_secret


@dataclass
class PublishedSource:
    """A data source as the server has it; times are ISO 8601, UTC."""

    name: str
    text: str = ""
    description: str = ""
    is_certified: bool = False
    note: str = ""
    tags: set[str] = field(default_factory=set)
    login: str | None = None  # user name of the login that the server keeps; its password is not kept
    has_extract: bool = False
    publications: int = 0
    updates: int = 0
    refreshes: int = 0
    warning: dict[str, str] | None = None
    created_at: str = ""
    updated_at: str = ""

    def touch(self) -> None:
        """It was changed now."""
        self.updated_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self.created_at = self.created_at or self.updated_at


@dataclass
class TableauState:
    """What the server holds, and how it behaves; `lock` is held while a request is answered."""

    token_name: str
    token_value: str
    site: str
    projects: list[str] = field(default_factory=lambda: ["default", "iDiscover"])
    sources: dict[str, PublishedSource] = field(default_factory=dict)  # by id
    last_source: int = 0  # ids are not given twice
    uploads: dict[str, bytes] = field(default_factory=dict)
    polls: int = 0  # of jobs; each is done at its second poll
    job_outcome: int = 0  # 0 success, 1 failure
    fail_next: int | None = None  # a status for the next request behind the sign-in
    fault: str = "as ordered"  # what it says then
    page: bytes | None = None  # what is answered to everything with status 200, such as by a proxy
    requests: list[str] = field(default_factory=list)
    sign_ins: int = 0  # a personal access token has one session: signing in ends the one before
    file: Path | None = None  # where the data sources are kept; None: nowhere
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def session(self) -> str:
        """The token of the only session that is good."""
        return f"session-{self.sign_ins}"

    def source(self, name: str) -> PublishedSource:
        """The only data source of that name."""
        (found,) = [source for source in self.sources.values() if source.name == name]
        return found

    def new_source(self, name: str) -> tuple[str, PublishedSource]:
        """A data source that is not there yet, and its id."""
        key, source = f"source-{self.last_source}", PublishedSource(name)
        self.last_source += 1
        self.sources[key] = source
        return key, source

    def save(self) -> None:
        """Writes the data sources whole, for `opened`."""
        if self.file is None:
            return
        sources = {key: asdict(source) | {"tags": sorted(source.tags)} for key, source in self.sources.items()}
        document = {"last_source": self.last_source, "sign_ins": self.sign_ins, "sources": sources}
        write_secret(self.file, json.dumps(document))


def opened(file: Path, token: Mapping[str, str]) -> TableauState:
    """The state kept in `file`, or an empty one that will be.

    Args:
        file: JSON.
        token: token_name, token_value and site, as in the secret.
    """
    names = {name: token[name] for name in ("token_name", "token_value", "site")}
    if not file.exists():
        return TableauState(**names, file=file)
    document = json.loads(file.read_text(encoding="utf-8"))
    sources = {key: PublishedSource(**item | {"tags": set(item["tags"])}) for key, item in document["sources"].items()}
    # the last session is good after a restart, too; the next sign-in gets another number
    return TableauState(
        **names, file=file, sources=sources, last_source=document["last_source"], sign_ins=document["sign_ins"]
    )
