"""A Salesforce session: logs in by OAuth, logs in again when the token lapses, retries what passes.

Queries, describe and limits go through simple-salesforce; `send` is the same way in for the Bulk API.
A session belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceError
from simple_salesforce.util import exception_handler

from idiscover.errors import FatalError, IdiscoverError, RetriableError
from idiscover.salesforce import faults
from idiscover.salesforce.oauth import Token, log_in
from idiscover.salesforce.quota import LIMIT_HEADER, Usage, check_org, usage_in
from idiscover.salesforce.retry import RetryPolicy

T = TypeVar("T")

_CONNECT_SECONDS = 15.0
_READ_SECONDS = 180.0  # a query may take 120 s before Salesforce gives it up
_SAME_AGAIN = (faults.QueryTimeout, faults.LocatorFault)  # the same call would meet the same fault


def open_session(secret: Mapping[str, str], api_version: str, retry: RetryPolicy | None = None) -> SalesforceSession:
    """A session that is logged in; `secret` as `idiscover.salesforce.oauth.log_in` takes it.

    Raises:
        ConfigError: the secret is incomplete or refused.
        RetriableError: Salesforce could not be reached within the policy's tries.
    """
    session = SalesforceSession(secret, api_version, retry or RetryPolicy())
    session.client()
    return session


class SalesforceSession:
    """One org, one API version. `api_calls` counts requests sent, logins not included."""

    def __init__(self, secret: Mapping[str, str], api_version: str, retry: RetryPolicy) -> None:
        self._secret = secret
        self._client: Salesforce | None = None
        self._http = _http_session()
        self._http.hooks["response"].append(self._note_answer)
        self._answered_at_utc: datetime | None = None
        self.api_version = api_version
        self.most_calls_percent: int | None = None  # of the org's daily calls; None: all of them
        self.usage: Usage | None = None  # as the newest answer told
        self.retry = retry
        self.api_calls = 0
        self.logins = 0

    def client(self) -> Salesforce:
        """simple-salesforce with a token that was good when it was made."""
        if self._client is None:
            token = self._log_in()
            self._client = Salesforce(
                instance_url=token.instance_url,
                session_id=token.access_token,
                version=self.api_version,
                session=self._http,
            )
        return self._client

    @property
    def data_path(self) -> str:
        """Path of the REST API, such as `/services/data/v62.0`."""
        return f"/services/data/v{self.api_version}"

    @property
    def answered_at_utc(self) -> datetime:
        """The org's time in the Date header of the newest answer, to the second."""
        if self._answered_at_utc is None:
            raise FatalError("Salesforce's answers have no Date header", remedy="look for a proxy that strips it")
        return self._answered_at_utc

    def org_now(self) -> datetime:
        """The org's time now, UTC, to the second."""
        self.limits()
        return self.answered_at_utc

    def limits(self) -> dict[str, Any]:
        """The org's limits: name → Max, Remaining."""
        return dict(self.call(lambda client: client.limits(), "limits"))

    def describe(self, name: str) -> dict[str, Any]:
        """Describe of one object."""
        return dict(self.call(lambda client: client.restful(f"sobjects/{name}/describe"), f"describe {name}"))

    def count(self, soql: str, include_deleted: bool = False) -> int:
        """The number that a `SELECT COUNT() …` gives; over queryAll with `include_deleted`.

        Raises:
            QueryTimeout: the org could not count that much within its time.
        """
        answer = self.call(lambda client: client.query(soql, include_deleted=include_deleted), soql)
        return int(answer["totalSize"])

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        json: object = None,
        stream: bool = False,
    ) -> requests.Response:
        """One request to a path of the org (or a URL of it); with `stream`, the body is not read yet.

        Raises:
            ConfigError, FatalError: Salesforce refused it.
            RetriableError: it did not answer within the policy's tries.
        """

        def operation(client: Salesforce) -> requests.Response:
            headers = {"Authorization": f"Bearer {client.session_id}", "Accept-Encoding": "gzip"}
            url = f"https://{client.sf_instance}{self._local_path(client, path)}"
            answer = client.session.request(method, url, params=params, json=json, headers=headers, stream=stream)
            if answer.status_code >= 300:
                exception_handler(answer)
            if not stream and answer.content:
                answer.json()  # here, where an answer that is none can be asked for again
            return answer

        return self.call(operation, f"{method} {path}")

    def call(self, operation: Callable[[Salesforce], T], what: str) -> T:
        """Run `operation`; a lapsed token is renewed once, a passing fault tried again.

        Raises:
            NextRunError: the org's daily calls are used up, or up to the share at which the platform stops.
        """
        renewed = False
        attempt = 0
        while True:
            fault = self._try(operation, what)
            if isinstance(fault, _Result):
                return fault.value
            if isinstance(fault, faults.SessionExpired):
                if renewed:
                    raise FatalError(
                        f"Salesforce refuses a session that was just opened: {what}",
                        got=fault.got,
                        remedy="check the connected app's session policy and the user's IP ranges",
                    )
                self._client, renewed = None, True
                continue
            attempt += 1
            passing = isinstance(fault, RetriableError) and not isinstance(fault, _SAME_AGAIN)
            if not passing or attempt >= self.retry.tries:
                raise fault
            self.retry.pause(attempt - 1)

    def _try(self, operation: Callable[[Salesforce], T], what: str) -> _Result[T] | IdiscoverError:
        client = self.client()
        if self.most_calls_percent is not None:
            check_org(self.usage, self.most_calls_percent)
        self.api_calls += 1
        try:
            return _Result(operation(client))
        except SalesforceError as error:
            return faults.fault_of(faults.parse_answer(error.status, error.content), what)
        except requests.exceptions.JSONDecodeError:
            return RetriableError(
                f"Salesforce's answer is no JSON: {what}",
                got="status 200 with something else",
                remedy="run it again later; look for a proxy that answers in Salesforce's place",
            )
        except requests.RequestException as error:
            return faults.connection_fault(error, what)

    def _log_in(self) -> Token:
        attempt = 0
        while True:
            try:
                token = log_in(self._secret, self._http)
            except RetriableError:
                attempt += 1
                if attempt >= self.retry.tries:
                    raise
                self.retry.pause(attempt - 1)
            else:
                self.logins += 1
                return token

    def _local_path(self, client: Salesforce, path: str) -> str:
        """`path` without the org's own address; the token goes to no other host."""
        parts = urlsplit(path)
        if parts.netloc and parts.netloc != client.sf_instance:
            raise FatalError("Salesforce names a page on another host", got=parts.netloc, expected=client.sf_instance)
        return parts._replace(scheme="", netloc="").geturl()

    def _note_answer(self, answer: requests.Response, *_args: object, **_kwargs: object) -> None:
        self.usage = usage_in(answer.headers.get(LIMIT_HEADER)) or self.usage
        date = answer.headers.get("Date")
        if date:
            self._answered_at_utc = parsedate_to_datetime(date).astimezone(UTC)


@dataclass(frozen=True)
class _Result(Generic[T]):
    value: T


class _TimedHttp(requests.Session):
    """requests waits for ever unless it is told otherwise, and simple-salesforce does not tell it."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", (_CONNECT_SECONDS, _READ_SECONDS))
        return super().request(*args, **kwargs)


def _http_session() -> requests.Session:
    session = _TimedHttp()
    # Keeps a ~/.netrc entry of the host from replacing the Authorization header.
    session.auth = lambda request: request
    return session
