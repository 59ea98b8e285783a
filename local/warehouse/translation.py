"""What the front says differently from PostgreSQL: the server's version, and errors in Redshift's words."""

from __future__ import annotations

import re

from . import wire
from .faults import serialization_failure

SERVER_VERSION = "8.0.2"
MULTIPLE_MATCHES = "Found multiple matches to update the same tuple."
_BYTES_CONSTRAINT = re.compile(r"rs_bytes_(\d+)_\d+")
_ATOMIC_HINT = (
    "Try calling the procedure as a top-level call i.e. not from within an explicit transaction block. "
    "Or, if this procedure (or one of its ancestors in the call chain) was created with SET config options, "
    "recreate the procedure without them."
)


def parameter_status(data: bytes) -> bytes:
    """A ParameterStatus message as the client shall see it."""
    name = data[5:].split(b"\0")[0]
    if name == b"server_version":
        return wire.message(b"S", name + b"\0" + wire.cstring(SERVER_VERSION))
    return data


def short_sasl_list(data: bytes) -> bytes:
    """An authentication request for redshift_connector, which takes the empty end of the list for a mechanism."""
    is_sasl = data[5:9] == (10).to_bytes(4, "big")
    return wire.message(b"R", data[5:-1]) if is_sasl and data.endswith(b"\0\0") else data


def translate_error(fields: dict[str, str], process: int = 0) -> dict[str, str]:
    """The fields of an error as Redshift words it, where the front knows; `process` is the session's."""
    code = fields.get("C", "")
    if code == "21000" and fields.get("M", "").startswith("MERGE command cannot affect row"):
        return {"S": "ERROR", "V": "ERROR", "C": "XX000", "M": MULTIPLE_MATCHES}
    if code == "40001":
        return {**fields, **serialization_failure(process).fields()}
    if code == "23514" and (match := _BYTES_CONSTRAINT.fullmatch(fields.get("n", ""))):
        return _too_long(fields, match.group(1))
    if code == "2D000" and not fields.get("H"):
        command = "COMMIT" if "rollback" not in fields.get("W", "").lower() else "ROLLBACK"
        what = "TRUNCATE or COMMIT" if command == "COMMIT" else command
        message = f"{what} cannot be invoked from a procedure that is executing in an atomic context."
        return {**fields, "M": message, "H": _ATOMIC_HINT}
    return fields


def _too_long(fields: dict[str, str], length: str) -> dict[str, str]:
    message = f"value too long for type character varying({length})"
    detail = "Amazon Redshift counts the bytes of UTF-8, not characters; a CHAR holds single-byte characters only."
    kept = {key: value for key, value in fields.items() if key not in "DnM"}
    return {**kept, "C": "22001", "M": message, "D": detail}
