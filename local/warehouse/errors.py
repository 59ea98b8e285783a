"""Errors that a client of the front sees as a PostgreSQL ErrorResponse."""

from __future__ import annotations

SYNTAX_ERROR = "42601"
FEATURE_NOT_SUPPORTED = "0A000"
UNDEFINED_TABLE = "42P01"
INTERNAL_ERROR = "XX000"
QUERY_CANCELED = "57014"


class SqlError(Exception):
    """An error to report to the client: an SQLSTATE, a message, and perhaps a hint or a detail."""

    def __init__(self, message: str, *, code: str = INTERNAL_ERROR, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.hint, self.detail = message, code, hint, detail

    def fields(self) -> dict[str, str]:
        """The fields of the ErrorResponse, keyed by PostgreSQL's one-letter names."""
        found = {"S": "ERROR", "V": "ERROR", "C": self.code, "M": self.message, "D": self.detail, "H": self.hint}
        return {key: value for key, value in found.items() if value}


class UpstreamError(SqlError):
    """An error that PostgreSQL reported for a statement of the front's own."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(
            fields.get("M", "unknown error"),
            code=fields.get("C", INTERNAL_ERROR),
            hint=fields.get("H", ""),
            detail=fields.get("D", ""),
        )
        self.all_fields = fields

    def fields(self) -> dict[str, str]:
        """As PostgreSQL sent them."""
        return self.all_fields


def refused(feature: str, hint: str = "") -> SqlError:
    """Amazon Redshift does not have this feature, so neither has the front."""
    return SqlError(f"{feature} is not supported by Amazon Redshift", code=FEATURE_NOT_SUPPORTED, hint=hint)


def not_emulated(feature: str) -> SqlError:
    """Amazon Redshift has this feature, and the front does not."""
    return SqlError(
        f"{feature} is not emulated by the local Redshift front",
        code=FEATURE_NOT_SUPPORTED,
        hint="The README.md of the front lists what is there and what is not.",
    )
