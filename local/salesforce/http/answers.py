"""Answers and errors in the platform's shapes."""

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

VERSIONS = range(31, 67)


class ApiError(Exception):
    """An error answer: `[{"message", "errorCode"}]` with a status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def response(self) -> Response:
        """The answer."""
        return json_response([{"message": self.message, "errorCode": self.code}], self.status)


def not_found() -> ApiError:
    """The answer for a resource that is not there."""
    return ApiError(404, "NOT_FOUND", "The requested resource does not exist")


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Compact UTF-8 JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Response(body, status, headers, media_type="application/json;charset=UTF-8")


def bearer_token(request: Request) -> str:
    """The access token that a request came with; empty without one."""
    return request.headers.get("authorization", "").partition(" ")[2].strip()


def parse_version(text: str) -> str:
    """`59.0` out of a path's `v59.0`. Raises ApiError (404) for a version there is not."""
    number = text.removeprefix("v")
    whole, _, fraction = number.partition(".")
    if not text.startswith("v") or not whole.isdigit() or fraction != "0" or int(whole) not in VERSIONS:
        raise not_found()
    return number


def clean_json_object(raw: bytes) -> dict[str, object]:
    """A request's JSON object. Raises ApiError (400 JSON_PARSER_ERROR)."""
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, "JSON_PARSER_ERROR", f"{error}") from error
    if not isinstance(content, dict):
        raise ApiError(400, "JSON_PARSER_ERROR", "expected a JSON object")
    return content
