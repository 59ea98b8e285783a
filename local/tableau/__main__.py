"""`python -m local.tableau --port P --state-dir D --certificate C --key K`: the server, on 127.0.0.1 only."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from local.tableau.credentials import ensure_token
from local.tableau.server import tableau_server
from local.tableau.state import opened

STATE_FILE = "published.json"


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.tableau", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True, help="made on first start, found again on the next")
    parser.add_argument("--certificate", type=Path, required=True, help="PEM, with its chain")
    parser.add_argument("--key", type=Path, required=True, help="PEM")
    arguments = parser.parse_args(argv)
    token = ensure_token(arguments.state_dir)
    state = opened(arguments.state_dir / STATE_FILE, token)
    server = tableau_server(state, arguments.certificate, arguments.key, arguments.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the serving loop, which runs in this very thread
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"ready on https://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
