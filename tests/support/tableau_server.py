"""The stack's Tableau for tests: served in this process, its state at hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.salesforce.tls import ensure_tls
from local.tableau.server import tableau_server
from local.tableau.state import TableauState

TOKEN_NAME, TOKEN_VALUE, SITE = "idiscover", "pat-secret-0123", "pharma"


@contextmanager
def running_tableau(folder: Path) -> Iterator[tuple[str, Path, TableauState]]:
    """Address, CA bundle for clients, and state of a server; it ends with the context."""
    state, tls = TableauState(TOKEN_NAME, TOKEN_VALUE, SITE), ensure_tls(folder)
    server = tableau_server(state, tls.certificate, tls.key)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", tls.ca, state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
