"""The agent's calls to the server; every one may fail for a moment and be made again."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from idiscover.errors import FatalError, RetriableError

TIMEOUT_SECONDS = 30


class Unreachable(RetriableError):
    """The server did not answer, or not sensibly: try again later."""


class Refused(FatalError):
    """The server answered with an error of the client's making; `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Client:
    """Calls under `endpoint`/idiscover/agent/."""

    def __init__(self, endpoint: str, agent: str) -> None:
        self._base = f"{endpoint.rstrip('/')}/idiscover/agent/"
        self._agent = agent
        # The server is on this machine: a proxy of the environment must not be asked for it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, name: str, **values: Any) -> dict[str, Any]:
        """Make the call `name`; Unreachable or Refused if it does not go through."""
        body = json.dumps({"agent": self._agent, **values}).encode()
        request = urllib.request.Request(self._base + name, body, {"Content-Type": "application/json"}, method="POST")
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")[:500]
            if error.code >= 500:
                raise Unreachable(f"{error.code}: {text}") from error
            raise Refused(error.code, text) from error
        except (OSError, ValueError) as error:
            raise Unreachable(str(error)) from error
