"""uvicorn's HTTP protocol, with the connection in the request's scope: a fault may end it at any byte."""

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_KEY = "idiscover.transport"
_NO_LINGER = struct.pack("ii", 1, 0)


class ConnectionInScope(HttpToolsProtocol):
    """Puts the transport where an answer finds it."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[_KEY] = self.transport


def end_connection(scope: Scope, reset: bool) -> None:
    """End the request's connection: with a TCP reset, or as a server that is done ends it."""
    transport: asyncio.Transport = scope[_KEY]
    if not reset:
        transport.close()
        return
    # A duplicate of the descriptor, as uvloop lends no socket; closing without lingering sends the reset.
    with socket.socket(fileno=_duplicate(transport)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _duplicate(transport: asyncio.Transport) -> int:
    return socket.dup(transport.get_extra_info("socket").fileno())
