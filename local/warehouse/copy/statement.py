"""The text of a COPY, parsed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import SYNTAX_ERROR, SqlError, not_emulated, refused
from ..rewrite.ddl import Reader, names_in
from ..tokens import Kind, Token, is_op, is_word, tokenize, unescape

MAX_ERRORS = 100_000
DEFAULT_NULL = "\\N"


@dataclass
class CopyCommand:
    """What to load, from where, and how to read it. Flags are named as Redshift names them."""

    table: str  # as it shall be written in SQL
    table_name: str = ""  # without quotes, for messages
    columns: list[str] = field(default_factory=list)
    source: str = ""
    authorized: bool = False
    region: str | None = None
    csv: bool = False
    quote: str = '"'
    delimiter: str = "|"
    compression: str = ""  # gzip, bzip2, zstd
    manifest: bool = False
    ignore_header: int = 0
    max_error: int = 0
    null_as: str = DEFAULT_NULL
    date_format: str = "YYYY-MM-DD"
    time_format: str = "YYYY-MM-DD HH:MI:SS"
    accept_inv_chars: str | None = None
    stat_update: bool | None = None
    flags: set[str] = field(default_factory=set)

    def has(self, flag: str) -> bool:
        """Whether an option without a value was given, in lower case: `emptyasnull`, `roundec`, …"""
        return flag in self.flags


_FLAGS = frozenset(
    {"emptyasnull", "blanksasnull", "truncatecolumns", "roundec", "trimblanks", "explicit_ids", "ignoreblanklines",
     "fillrecord", "removequotes", "escape"}
)  # fmt: skip
_FORMATS_NOT_EMULATED = frozenset({"json", "avro", "parquet", "orc", "shapefile", "fixedwidth"})
_OPTIONS_NOT_EMULATED = frozenset(
    {"lzop", "encrypted", "ssh", "readratio", "encoding", "master_symmetric_key",
     "noload", "acceptanydate"}
)  # fmt: skip


def parse_copy(sql: str) -> CopyCommand:
    """A COPY … FROM 's3://…' statement. Raises SqlError for syntax, and for what is not emulated or not Redshift's."""
    reader = Reader(tokenize(sql))
    reader.accept("copy")
    start = reader.index
    command = CopyCommand(reader.name())
    command.table_name = ".".join(names_in(reader.tokens[start : reader.index]))
    if is_op(reader.peek(), "("):
        command.columns = names_in(reader.group())
    if not reader.accept("from"):
        raise SqlError("COPY … TO is not supported by Amazon Redshift: use UNLOAD", code=SYNTAX_ERROR)
    if is_word(reader.peek(), "stdin"):
        raise refused("COPY FROM STDIN", "COPY loads from 's3://…'")
    command.source = _string(reader)
    if urlsplit(command.source).scheme != "s3":
        raise not_emulated(f"COPY from {command.source.split(':')[0]}")
    while reader.peek() is not None:
        _option(reader, command)
    return _checked(command)


def _checked(command: CopyCommand) -> CopyCommand:
    if not command.authorized:
        raise SqlError("COPY needs authorization: IAM_ROLE, CREDENTIALS or ACCESS_KEY_ID", code=SYNTAX_ERROR)
    if command.csv and (command.flags & {"escape", "removequotes"}):
        raise SqlError("CSV is not compatible with ESCAPE or REMOVEQUOTES", code=SYNTAX_ERROR)
    if len(command.delimiter) != 1 or len(command.quote) != 1:
        raise SqlError("DELIMITER and QUOTE take one character", code=SYNTAX_ERROR)
    if not 0 <= command.max_error <= MAX_ERRORS:
        raise SqlError(f"MAXERROR must lie between 0 and {MAX_ERRORS}", code="22023")
    return command


def _option(reader: Reader, command: CopyCommand) -> None:
    token = reader.take()
    name = token.value if token.kind is Kind.WORD else token.text
    if name in _FLAGS:
        command.flags.add(name)
    elif name in _VALUED:
        _VALUED[name](reader, command)
    elif name in _FORMATS_NOT_EMULATED:
        raise not_emulated(f"COPY from {name.upper()}")
    elif name in _OPTIONS_NOT_EMULATED:
        raise not_emulated(f"COPY option {name.upper()}")
    elif name not in ("format", "as", "with", ";"):
        raise SqlError(f"syntax error at or near {token.text!r} in COPY", code=SYNTAX_ERROR)


def _string(reader: Reader) -> str:
    """A string literal; a backslash before anything but a known escape stays, so that '\\N' is what it looks like."""
    reader.accept("as")
    token = reader.take()
    if token.kind is not Kind.STRING:
        raise SqlError(f"syntax error at or near {token.text!r} in COPY: expected a string", code=SYNTAX_ERROR)
    return unescape(token.text, keep_unknown=True)


def _number(reader: Reader) -> int:
    reader.accept("as")
    token = reader.take()
    if token.kind is not Kind.NUMBER or not token.text.isdigit():
        raise SqlError(f"syntax error at or near {token.text!r} in COPY: expected a number", code=SYNTAX_ERROR)
    return int(token.text)


def _optional_string(reader: Reader, default: str) -> str:
    following: Token | None = reader.peek()
    behind = reader.tokens[reader.index + 1 :]
    if is_word(following, "as") and _first_kind(behind) is Kind.STRING:
        return _string(reader)
    return _string(reader) if following is not None and following.kind is Kind.STRING else default


def _first_kind(tokens: Sequence[Token]) -> Kind | None:
    return next((token.kind for token in tokens if token.kind is not Kind.SPACE), None)


def _on_off(reader: Reader) -> bool | None:
    if reader.accept("on") or reader.accept("true"):
        return True
    if reader.accept("off") or reader.accept("false"):
        return False
    reader.accept("preset")
    return True


def _iam_role(reader: Reader, command: CopyCommand) -> None:
    if not reader.accept("default"):
        _string(reader)
    command.authorized = True


def _secret(reader: Reader, command: CopyCommand) -> None:
    reader.accept("with")
    _string(reader)
    command.authorized = True


def _csv(reader: Reader, command: CopyCommand) -> None:
    command.csv, command.delimiter = True, "," if command.delimiter == "|" else command.delimiter
    if reader.accept("quote"):
        command.quote = _string(reader)


def _setter(name: str, read: Callable[[Reader], object]) -> Callable[[Reader, CopyCommand], None]:
    return lambda reader, command: setattr(command, name, read(reader))


def _constant(name: str, value: object) -> Callable[[Reader, CopyCommand], None]:
    return lambda _, command: setattr(command, name, value)


def _comp_update(reader: Reader, _: CopyCommand) -> None:
    _on_off(reader)


def _comp_rows(reader: Reader, _: CopyCommand) -> None:
    _number(reader)


_VALUED: dict[str, Callable[[Reader, CopyCommand], None]] = {
    "iam_role": _iam_role,
    "credentials": _secret,
    "access_key_id": _secret,
    "secret_access_key": _secret,
    "session_token": _secret,
    "region": _setter("region", _string),
    "csv": _csv,
    "quote": _setter("quote", _string),
    "delimiter": _setter("delimiter", _string),
    "gzip": _constant("compression", "gzip"),
    "bzip2": _constant("compression", "bzip2"),
    "zstd": _constant("compression", "zstd"),
    "manifest": _constant("manifest", True),
    "ignoreheader": _setter("ignore_header", _number),
    "maxerror": _setter("max_error", _number),
    "null": _setter("null_as", _string),
    "dateformat": _setter("date_format", lambda reader: _optional_string(reader, "YYYY-MM-DD")),
    "timeformat": _setter("time_format", lambda reader: _optional_string(reader, "YYYY-MM-DD HH:MI:SS")),
    "acceptinvchars": _setter("accept_inv_chars", lambda reader: _optional_string(reader, "?")),
    "statupdate": _setter("stat_update", _on_off),
    "compupdate": _comp_update,
    "comprows": _comp_rows,
}
