"""Everything a request handler needs, put together from a state directory."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from local.salesforce.bulk import BulkJobs
from local.salesforce.faults import Faults
from local.salesforce.large.blocks import BlockStore
from local.salesforce.large.objects import serve_large
from local.salesforce.live import LiveOrg
from local.salesforce.oauth import (
    TOKEN_SECONDS,
    Credentials,
    TokenServer,
    ensure_credentials,
)
from local.salesforce.org import Org
from local.salesforce.request_log import RequestLog
from local.salesforce.rest import RestQueries
from local.salesforce.results import ResultFiles
from local.salesforce.store import Store


class ResultPagesShape(Enum):
    """How `/resultPages` answers: as the guide shows it, or as a client's author saw it."""

    GUIDE = "guide"
    CHUNKS = "chunks"


@dataclass(frozen=True)
class Settings:
    """What the command line says."""

    port: int
    state_dir: Path
    seed: int | None = None
    scale: float | None = None
    result_pages_shape: ResultPagesShape = ResultPagesShape.GUIDE
    page_rows: int = 10_000
    token_seconds: float = TOKEN_SECONDS
    daily_api_requests: int = 1_000_000
    daily_query_jobs: int = 10_000
    large: Mapping[str, int] = field(default_factory=dict)  # names of large objects → rows
    large_dir: Path | None = None  # where their rows are kept, for several states; None: in the state's own directory

    @property
    def url(self) -> str:
        """Where clients find the org."""
        return f"https://localhost:{self.port}"


@dataclass(frozen=True)
class Service:
    """The parts of a running simulator."""

    settings: Settings
    store: Store
    org: Org
    credentials: Credentials
    tokens: TokenServer
    log: RequestLog
    queries: RestQueries
    jobs: BulkJobs
    files: ResultFiles
    live: LiveOrg
    faults: Faults

    def close(self) -> None:
        """Finish the job at hand and close the store."""
        self.jobs.stop()
        self.store.close()


def open_service(settings: Settings) -> Service:
    """Open or create the state. Raises ValueError when seed or scale are not those the state was made with."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    serve_large(settings.large, BlockStore(settings.large_dir or settings.state_dir / "large"))
    store = Store(settings.state_dir)
    org = Org(store, settings.seed, settings.scale)
    credentials = ensure_credentials(settings.state_dir, settings.url)
    secret = store.get_meta("locator_secret")
    if secret is None:
        secret = secrets.token_hex(16)
        store.set_meta("locator_secret", secret)
    files = ResultFiles(settings.state_dir / "results", bytes.fromhex(secret))
    log = RequestLog(store)
    live = LiveOrg(store, org)
    faults = Faults()
    return Service(
        settings,
        store,
        org,
        credentials,
        TokenServer(store, credentials, settings.token_seconds),
        log,
        RestQueries(store, org, log, live, faults),
        BulkJobs(store, org, files, live, faults, settings.page_rows),
        files,
        live,
        faults,
    )
