"""MWAA as far as it is called: InvokeRestApi, GetEnvironment and UpdateEnvironment, for the stack's own Airflow.

That Airflow reads plugins/ from the repository: an update is accepted and shown, and nothing else comes of it. It is
forgotten when the stand-in starts anew, and so asked for once more; nothing is journaled.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from typing import Any, Self

import requests

from local.aws import MWAA_VARIABLE
from local.aws.wire import Response

_SIGNED_FOR_MWAA = re.compile(r"Credential=[^,\s]+/airflow/aws4_request")
_ROUTE = re.compile(r"/(?P<action>restapi|environments)/(?P<name>[^/]+)")
_MAX_PATH_LENGTH = 64
_ARN = "arn:aws:airflow:us-east-1:123456789012:environment/"
_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")
_TIMEOUT_SECONDS = 50  # shorter than the client's


@dataclass(frozen=True)
class Airflow:
    """The Airflow that stands for the environment."""

    name: str
    url: str
    user: str
    password: str

    @classmethod
    def from_environment(cls) -> Self | None:
        """As the stack told this process; None for a stand-in that runs alone."""
        text = os.environ.get(MWAA_VARIABLE)
        return None if text is None else cls(**json.loads(text))


def is_for_mwaa(environ: dict[str, Any]) -> bool:
    """Whether a request was signed for MWAA: its paths could be a bucket's as well."""
    return _SIGNED_FOR_MWAA.search(environ.get("HTTP_AUTHORIZATION", "")) is not None


class Environment:
    """The one MWAA environment of the stack."""

    def __init__(self, airflow: Airflow | None) -> None:
        self._airflow = airflow
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor the simulator's certificates concern it
        self._logging_in = threading.Lock()
        self._token = ""
        self._updates: dict[str, Any] = {}

    def answer(self, environ: dict[str, Any]) -> Response:
        """One request, as MWAA answers it."""
        route = _ROUTE.fullmatch(environ.get("PATH_INFO", ""))
        if route is None:
            return _error("501 Not Implemented", "NotImplemented", f"{environ.get('PATH_INFO')} is not served here")
        if self._airflow is None or route["name"] != self._airflow.name:
            return _error("404 Not Found", "ResourceNotFoundException", f"no environment {route['name']}")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if route["action"] == "restapi":
            return self._invoke(self._airflow, json.loads(body))
        if environ.get("REQUEST_METHOD") == "PATCH":
            self._updates |= json.loads(body)
            return _json("200 OK", {"Arn": f"{_ARN}{self._airflow.name}"})
        shown = {"Name": self._airflow.name, "Status": "AVAILABLE", "WebserverUrl": self._airflow.url}
        return _json("200 OK", {"Environment": self._updates | shown})

    def _invoke(self, airflow: Airflow, request: dict[str, Any]) -> Response:
        path, method = str(request.get("Path", "")), str(request.get("Method", ""))
        if not path.startswith("/") or ".." in path or len(path) > _MAX_PATH_LENGTH or method not in _METHODS:
            words = f"Path has to begin with / and to have at most {_MAX_PATH_LENGTH} characters, Method to be a method"
            return _error("400 Bad Request", "ValidationException", words)
        try:
            found = self._ask(airflow, method, path, request)
        except requests.RequestException as error:
            return _error("500 Internal Server Error", "InternalServerException", type(error).__name__)
        document = {"RestApiStatusCode": found.status_code, "RestApiResponse": _content(found)}
        if found.ok:
            return _json("200 OK", document)
        code = "RestApiServerException" if found.status_code >= 500 else "RestApiClientException"
        return _json("400 Bad Request", document, code)

    def _ask(self, airflow: Airflow, method: str, path: str, request: dict[str, Any]) -> requests.Response:
        used = self._token
        for _ in range(2):
            found = self._session.request(
                method,
                f"{airflow.url}/api/v2{path}",
                params=request.get("QueryParameters"),
                json=request.get("Body"),
                headers={"Authorization": f"Bearer {used}"},
                timeout=_TIMEOUT_SECONDS,
            )
            if found.status_code != 401:
                break
            used = self._log_in(airflow, used)
        return found

    def _log_in(self, airflow: Airflow, expired: str) -> str:
        """A token in place of the one that has expired, unless another thread has got one meanwhile."""
        with self._logging_in:
            if self._token == expired:
                login = {"username": airflow.user, "password": airflow.password}
                found = self._session.post(f"{airflow.url}/auth/token", json=login, timeout=_TIMEOUT_SECONDS)
                found.raise_for_status()
                self._token = found.json()["access_token"]
            return self._token


def _content(found: requests.Response) -> Any:
    if not found.content:
        return {}
    try:
        return found.json()
    except requests.JSONDecodeError:
        return {"detail": found.text[:1000]}


def _error(status: str, code: str, message: str) -> Response:
    return _json(status, {"message": message}, code)


def _json(status: str, document: dict[str, Any], code: str = "") -> Response:
    body = json.dumps(document).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return Response(status, [*headers, ("x-amzn-ErrorType", code)] if code else headers, body)
