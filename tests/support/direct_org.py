"""The org's simulator in a thread of this process, over TLS; another org at the same address within a second."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from local.salesforce.http.app import create_app
from local.salesforce.http.service import Service, Settings, open_service
from local.salesforce.oauth import CREDENTIALS_FILE, ensure_credentials
from local.salesforce.request_log import LoggedRead, iter_reads, total_calls
from local.salesforce.times import to_iso
from local.salesforce.tls import ensure_tls

START_TIMEOUT_SECONDS = 30


class DirectOrg:
    """An address under which one org after the other can be found.

    The credentials outlive the orgs, so that a secret written once stays good.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._number = 0
        self._service: Service | None = None
        self._app: Any = None
        self.ca_file = ensure_tls(folder).ca
        ensure_credentials(folder, self.url)

    @property
    def url(self) -> str:
        """Where clients log in."""
        return f"https://localhost:{self._port}"

    @property
    def secret(self) -> dict[str, str]:
        """What Secrets Manager has to hold."""
        known = json.loads((self._folder / CREDENTIALS_FILE).read_text(encoding="utf-8"))
        return {"grant_type": "jwt", **known}

    @property
    def state_dir(self) -> Path:
        """The state of the org that is served now; the oracle reads its logs."""
        return self._folder / f"org-{self._number}"

    def renew(self, seed: int, scale: float) -> None:
        """Serve a fresh org on its day 1, as if nobody had ever read it."""
        self.close()
        shutil.rmtree(self.state_dir, ignore_errors=True)
        self._number += 1
        shutil.copytree(self._template(seed, scale), self.state_dir)
        self._open(self.state_dir, seed, scale)

    def advance(self, days: int = 1) -> None:
        """Move the org's clock to 02:00 `days` days on."""
        self._opened.org.advance(days)

    def now(self) -> datetime:
        """The org's time."""
        return self._opened.org.clock.now()

    def order_date(self) -> date:
        """The org's last complete day."""
        return self.now().astimezone(UTC).date() - timedelta(days=1)

    def records(self, object_name: str) -> list[Mapping[str, Any]]:
        """All records of an object as they are now."""
        return list(self._opened.org.view().records[object_name].values())

    def api_calls(self) -> int:
        """All requests that counted against the org's limits."""
        return total_calls(self.state_dir)

    def reads(self) -> list[LoggedRead]:
        """What was read, in order."""
        return list(iter_reads(self.state_dir))

    def change_future(self, object_name: str, field: str, value: str) -> str:
        """Give the object's next event that sets `field` another value for it; the record's id.

        The event lies ahead of the clock, so nobody has seen it.

        Raises:
            LookupError: no event ahead sets the field.
        """
        store = self._opened.store
        row = store.row(
            'SELECT seq, id FROM events WHERE object = ? AND committed_at > ? AND json_type("values", ?) IS NOT NULL'
            " AND kind = 'update' ORDER BY seq LIMIT 1",
            (object_name, to_iso(self.now()), f"$.{field}"),
        )
        if row is None:
            raise LookupError(f"no update of {object_name}.{field} lies ahead")
        store.execute(
            'UPDATE events SET "values" = json_set("values", ?, ?) WHERE seq = ?', (f"$.{field}", value, row["seq"])
        )
        return str(row["id"])

    def close(self) -> None:
        """Let go of the org that is served now."""
        if self._service is not None:
            self._service.close()
            self._service = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: whichever org is served now."""
        await self._app(scope, receive, send)

    @property
    def _opened(self) -> Service:
        if self._service is None:
            raise RuntimeError("no org is served; call renew first")
        return self._service

    def _open(self, state_dir: Path, seed: int, scale: float) -> None:
        settings = Settings(port=self._port, state_dir=state_dir, seed=seed, scale=scale)
        self._service = open_service(settings)
        self._app = create_app(self._service)

    def _template(self, seed: int, scale: float) -> Path:
        """The state of an org that was only just made: its log is the same each time, and takes long to make."""
        template = self._folder / f"template-{seed}-{scale}"
        if not template.exists():
            partial = self._folder / "template.part"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            shutil.copy(self._folder / CREDENTIALS_FILE, partial)
            open_service(Settings(port=self._port, state_dir=partial, seed=seed, scale=scale)).close()
            partial.rename(template)
        return template


@contextmanager
def running_org(folder: Path) -> Iterator[DirectOrg]:
    """A server of orgs; it ends with the context. `renew` puts the first org into it."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        org = DirectOrg(folder, listener.getsockname()[1])
        tls = ensure_tls(folder)
        config = uvicorn.Config(
            org,
            ssl_certfile=str(tls.certificate),
            ssl_keyfile=str(tls.key),
            lifespan="off",
            date_header=False,  # the org's own time stands there
            server_header=False,
            log_level="critical",  # among others that kept connections are cut at the end
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="direct-org", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield org
        finally:
            server.should_exit = True
            thread.join(START_TIMEOUT_SECONDS)
            org.close()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the org's server did not start")
        time.sleep(0.02)
