"""`redshift-front --port P`: run the front in the foreground.

The warehouse database is named by the environment variable REDSHIFT_FRONT_UPSTREAM, or by --upstream, a URI whose
password then stands in the machine's list of processes.

Logs go to stderr. It is healthy when a client can log in and `select 1`. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from . import UPSTREAM_VARIABLE
from .server import ISOLATION, start

log = logging.getLogger(__package__)

HOST = "127.0.0.1"


async def serve(port: int, upstream: str, isolation: str) -> None:
    """Install the helpers, listen, and serve until a signal comes."""
    front, server = await start(upstream, HOST, port, isolation)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    log.info("the Redshift front listens on %s:%d, before %s:%d/%s", HOST, port, front.host, front.port, front.database)
    try:
        await stop.wait()
    finally:
        server.close()
        await front.history.flush()
        log.info("the Redshift front ends")


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="redshift-front", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, help="for the front's own files; made if absent")
    parser.add_argument("--upstream", help=f"postgresql:// URI, a superuser's; default: ${UPSTREAM_VARIABLE}")
    parser.add_argument("--isolation", choices=sorted(ISOLATION), default="statement", help="default: %(default)s")
    options = parser.parse_args(argv)
    upstream = options.upstream or os.environ.get(UPSTREAM_VARIABLE)
    if not upstream:
        parser.error(f"no warehouse database; expected its postgresql:// URI in {UPSTREAM_VARIABLE} or --upstream")
    if options.state_dir:
        options.state_dir.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(options.port, upstream, options.isolation))


if __name__ == "__main__":
    main()
