"""What an answer of Salesforce's means for the caller: try again, or who has to do what. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from idiscover.errors import ConfigError, FatalError, IdiscoverError, NextRunError, RetriableError


class SessionExpired(RetriableError):
    """The access token is no longer accepted; a new login may mend it."""


class QueryTimeout(RetriableError):
    """The query ran longer than Salesforce allows; the same query over less data may pass."""


class NotInBulk(ConfigError):
    """The Bulk API does not serve the object; REST may."""


class LocatorFault(RetriableError):
    """A locator leads nowhere, or back; read from the beginning, the pages may be given others."""


class NotFound(FatalError):
    """The org has no such resource."""


@dataclass(frozen=True)
class Answer:
    """An error answer: HTTP status, Salesforce's code and message."""

    status: int
    code: str
    message: str


_EXPIRED_CODES = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT"})
_PASSING_STATUS = frozenset({406, 408, 420, 429, 500, 502, 503, 504})
_PASSING_CODES = frozenset({"SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW"})
_QUERY_CODES = {
    "MALFORMED_QUERY": "correct the object's fields or delta filter",
    "INVALID_QUERY_FILTER_OPERATOR": "correct the operator in the object's delta filter",
    "INVALID_FIELD": "correct the field's name in the object's file, or give the user access to the field",
    "INVALID_TYPE": "correct the object's name, or give the user access to the object",
}
_NOT_IN_BULK = "INVALIDENTITY"
_NOT_IN_BULK_REMEDY = "read it through REST; if that refuses it too, take the object out of the metadata"
_JOB_TIMEOUT = re.compile(r"QUERY_TIMEOUT|query.{0,40}(timed out|timeout|too long)", re.IGNORECASE)
_LIMIT_REMEDY = "wait until the rolling 24 hours free some of it, or have the org's limit raised"
_MESSAGE_CHARACTERS = 1000


def parse_answer(status: int, body: object) -> Answer:
    """An error body in any of its forms: REST's list, OAuth's object, text of a proxy."""
    content = body
    if isinstance(body, bytes | str):
        try:
            content = json.loads(body)
        except ValueError:
            content = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    if isinstance(content, list) and content and isinstance(content[0], dict):
        content = content[0]
    if isinstance(content, dict):
        code = content.get("errorCode") or content.get("error") or ""
        message = content.get("message") or content.get("error_description") or ""
        return Answer(status, str(code), _one_line(str(message)))
    return Answer(status, "", _one_line(str(content)))


def _one_line(message: str) -> str:
    """Without the extract of the query, and the caret below it, that Salesforce puts before the fault."""
    fault = message.rfind("ERROR at Row")
    return " ".join(message[max(fault, 0) :].split())[:_MESSAGE_CHARACTERS]


def fault_of(answer: Answer, what: str) -> IdiscoverError:
    """The error to raise for an answer; `what` says what was being done, without secrets."""
    got = f"{answer.status} {answer.code}: {answer.message}".replace(" : ", ": ")
    if answer.status == 401 or answer.code in _EXPIRED_CODES:
        return SessionExpired(f"Salesforce refused the session: {what}", got=got)
    if answer.code == "QUERY_TIMEOUT":
        return QueryTimeout(f"Salesforce timed the query out: {what}", got=got, remedy="make the window smaller")
    if answer.code == "REQUEST_LIMIT_EXCEEDED" and "concurrent" not in answer.message.lower():
        return NextRunError(f"The org's API calls are used up: {what}", got=got, remedy=_LIMIT_REMEDY)
    if answer.code == "LIMIT_EXCEEDED":
        return NextRunError(f"A limit of the org is used up: {what}", got=got, remedy=_LIMIT_REMEDY)
    if answer.code == "INVALID_QUERY_LOCATOR":
        remedy = "run it again: the next try reads these pages from the beginning"
        return LocatorFault(f"Salesforce refused a locator of its own: {what}", got=got, remedy=remedy)
    if _is_passing(answer):
        remedy = "run it again later; status.salesforce.com tells of outages"
        return RetriableError(f"Salesforce is not available: {what}", got=got, remedy=remedy)
    if answer.code == _NOT_IN_BULK:
        return NotInBulk(f"The Bulk API does not serve the object: {what}", got=got, remedy=_NOT_IN_BULK_REMEDY)
    if answer.code in _QUERY_CODES:
        return ConfigError(f"Salesforce refused: {what}", got=got, remedy=_QUERY_CODES[answer.code])
    if answer.status == 404:
        return NotFound(f"Salesforce does not have it: {what}", got=got, remedy="check the name and the API version")
    if answer.status == 409:
        remedy = "read a job with the API version that created it"
        return FatalError(f"Salesforce refused: {what}", got=got, remedy=remedy)
    remedy = "check the rights of the integration user" if answer.status == 403 else "see Salesforce's message"
    return FatalError(f"Salesforce refused: {what}", got=got, remedy=remedy)


def connection_fault(error: Exception, what: str, where: str | None = None) -> IdiscoverError:
    """The error to raise where no answer came. A certificate that is not trusted will not be trusted later either."""
    got = f"{type(error).__name__}: {error}"
    if "CERTIFICATE_VERIFY_FAILED" in got:
        remedy = "trust the authority that signed it (REQUESTS_CA_BUNDLE), or look for a proxy that signs anew"
        return ConfigError(f"Salesforce's certificate is not trusted: {what}", where=where, got=got, remedy=remedy)
    remedy = "check the network, and the secret's login_url"
    return RetriableError(f"Salesforce cannot be reached: {what}", where=where, got=got, remedy=remedy)


def job_fault(job_id: str, state: str, told: str) -> IdiscoverError:
    """The error to raise for a query job that ended as `state`, Failed or Aborted; `told` is its errorMessage."""
    if state == "Aborted":
        remedy = "somebody aborted it (Setup, Bulk Data Load Jobs): ask why, then run it again"
        return FatalError(f"Query job {job_id} was aborted", got=told or state, remedy=remedy)
    if _JOB_TIMEOUT.search(told):
        return QueryTimeout(f"Salesforce timed query job {job_id} out", got=told, remedy="make the window smaller")
    if _NOT_IN_BULK in told:
        return NotInBulk(f"The Bulk API refused job {job_id}'s object", got=told, remedy=_NOT_IN_BULK_REMEDY)
    for code, remedy in _QUERY_CODES.items():
        if code in told:
            return ConfigError(f"Salesforce refused the query of job {job_id}", got=told, remedy=remedy)
    remedy = "see the job in Setup, Bulk Data Load Jobs; make the window smaller if its query takes too long"
    return RetriableError(f"Query job {job_id} failed", got=told or state, remedy=remedy)


def login_fault(answer: Answer, where: str) -> IdiscoverError:
    """The error to raise for a refused login at `where`."""
    got = f"{answer.status} {answer.code}: {answer.message}".replace(" : ", ": ")
    if answer.status in _PASSING_STATUS:
        return RetriableError("Salesforce's login is not available", where=where, got=got, remedy="run it again later")
    return ConfigError(
        "Salesforce refused the login",
        where=where,
        got=got,
        remedy="check the secret (grant_type, client, user, key) and that the connected app allows it",
    )


def _is_passing(answer: Answer) -> bool:
    concurrent = answer.code == "REQUEST_LIMIT_EXCEEDED"  # the daily total was told apart before
    return concurrent or answer.status in _PASSING_STATUS or answer.code in _PASSING_CODES
