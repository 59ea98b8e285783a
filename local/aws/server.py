"""`python -m local.aws.server --port P --state-dir D`: the AWS stand-in, on 127.0.0.1 only."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from local.aws.app import StandIn

log = logging.getLogger("local.aws.server")
HOST = "127.0.0.1"


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; exit status 0 after a clean stop, 1 if the state directory is in use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    _fix_region()
    folder = args.state_dir / "server"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _take_lock(folder):
        print(f"another server uses {folder}; stop it first, or choose another --state-dir", file=sys.stderr)
        return 1
    serve(args.port, folder)
    return 0


def _fix_region() -> None:
    """moto asks boto3 for a session now and then; it must not find settings of this machine's user."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    os.environ.pop("AWS_PROFILE", None)


def _take_lock(folder: Path) -> bool:
    """Hold the state for this process alone, until it ends: two writers would interleave their journals."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def serve(port: int, folder: Path) -> None:
    """Replay, then serve until a signal comes; fold the journal into a snapshot at the end."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    started = time.monotonic()
    stand_in = StandIn(folder)
    replayed = stand_in.engine.open()
    server = make_server(HOST, port, stand_in, threaded=True, request_handler=MotoRequestHandler)
    log.info(
        "ready on http://%s:%d after %.2f s, %d requests replayed", HOST, port, time.monotonic() - started, replayed
    )

    def stop(_signal: int, _frame: object) -> None:
        # shutdown() waits for the serving loop, which runs in this very thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.daemon_threads = True  # type: ignore[attr-defined]
    server.serve_forever()
    server.socket.close()
    stand_in.engine.close()
    log.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
