"""Errors of a query, in the words and shapes of the platform."""

MALFORMED_QUERY = "MALFORMED_QUERY"
INVALID_FIELD = "INVALID_FIELD"
INVALID_TYPE = "INVALID_TYPE"
INVALID_FILTER = "INVALID_QUERY_FILTER_OPERATOR"
_CONTEXT_CHARACTERS = 40


class SoqlError(Exception):
    """A query the platform refuses: `code` is its errorCode, `message` what it says."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def error_at(code: str, text: str, position: int, detail: str) -> SoqlError:
    """An error with the place shown: an excerpt, a caret under it, row and column (both from 1)."""
    before = text[:position]
    row = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1) + 1
    start = max(0, position - _CONTEXT_CHARACTERS)
    excerpt = text[start : position + _CONTEXT_CHARACTERS].replace("\n", " ")
    caret = " " * (position - start) + "^"
    return SoqlError(code, f"\n{excerpt}\n{caret}\nERROR at Row:{row}:Column:{column}\n{detail}")
