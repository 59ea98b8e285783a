"""`python -m local.warehouse --port P --upstream postgresql://… --state-dir D`: run the front in the foreground.

Logs go to stderr. It is healthy when a client can log in and `select 1`. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from local.warehouse.installation import install
from local.warehouse.server import SESSION_BUFFER_BYTES, Front, rewriting_connection

log = logging.getLogger("local.warehouse")

HOST = "127.0.0.1"


async def serve(port: int, upstream: str) -> None:
    """Install the helpers, listen, and serve until a signal comes."""
    front = Front(upstream, rewriting_connection(HOST, port), install(upstream))
    server = await asyncio.start_server(front.serve_client, HOST, port, limit=SESSION_BUFFER_BYTES)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    log.info("the Redshift front listens on %s:%d, before %s:%d/%s", HOST, port, front.host, front.port, front.database)
    try:
        await stop.wait()
    finally:
        server.close()
        log.info("the Redshift front ends")


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m local.warehouse", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="postgresql:// URI of the warehouse database, a superuser's")
    parser.add_argument("--state-dir", type=Path, required=True, help="for the front's own files; made if absent")
    options = parser.parse_args(argv)
    options.state_dir.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(options.port, options.upstream))


if __name__ == "__main__":
    main()
