"""A front within another process, in a thread of its own: for tests, mostly."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .server import Front, start

HOST = "127.0.0.1"


@contextmanager
def running(upstream: str, *, port: int = 0, isolation: str = "statement") -> Iterator[int]:
    """The port of a front before `upstream`, a superuser's postgresql:// URI; it ends with the context.

    Raises psycopg2.Error if PostgreSQL is not there, OSError if the port is taken, KeyError for an unknown isolation.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="redshift-front", daemon=True)
    thread.start()
    try:
        front, server = asyncio.run_coroutine_threadsafe(start(upstream, HOST, port, isolation), loop).result()
        try:
            yield front.listens_at[1]
        finally:
            asyncio.run_coroutine_threadsafe(_end(front, server), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(front: Front, server: asyncio.Server) -> None:
    """Stop listening, and end the sessions that are there."""
    server.close()
    await front.history.flush()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
