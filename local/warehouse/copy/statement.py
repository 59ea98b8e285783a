"""The text of a COPY, parsed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import SYNTAX_ERROR, SqlError, not_emulated, refused
from ..rewrite.ddl import Reader, names_in
from ..tokens import Kind, Token, is_op, is_word, tokenize, unescape
from .encodings import CODECS
from .moments import parse_pattern

MAX_ERRORS = 100_000
INVALID_PARAMETER = "22023"
DEFAULT_NULL = "\\N"
# NULL AS '\\0': what a field that is only NUL is read as, since no text of PostgreSQL can hold the character.
NUL_FIELD = "\x01NUL\x01"
_CREDENTIALS = ("aws_iam_role=", "aws_access_key_id=")


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
    delimiter: str = ""  # set by the format unless it is given
    fixed_width: list[int] | None = None  # characters of each field
    json: str | None = None  # auto, auto ignorecase, noshred or the URI of a JSONPaths file
    encoding: str = "utf8"
    compression: str = ""  # gzip, bzip2, zstd
    manifest: bool = False
    ignore_header: int = 0
    max_error: int = 0
    null_as: str = DEFAULT_NULL
    date_format: str = "YYYY-MM-DD"
    time_format: str = "YYYY-MM-DD HH:MI:SS"
    accept_inv_chars: str | None = None
    stat_update: bool | None = None
    given: set[str] = field(default_factory=set)  # every option that stands there, in lower case

    def has(self, flag: str) -> bool:
        """Whether an option was given, in lower case: `emptyasnull`, `roundec`, …"""
        return flag in self.given

    @property
    def error_limit(self) -> float:
        """How many errors end the load."""
        return float("inf") if self.has("ignoreallerrors") else max(self.max_error, 1)

    @property
    def form(self) -> str:
        """The format of the files, as the system tables name it."""
        if self.json is not None:
            return "JSON"
        if self.fixed_width is not None:
            return "FixedWidth"
        return "CSV" if self.csv else "Text"


_FLAGS = frozenset(
    {"emptyasnull", "blanksasnull", "truncatecolumns", "roundec", "trimblanks", "explicit_ids", "ignoreblanklines",
     "fillrecord", "removequotes", "escape", "acceptanydate", "noload", "ignoreallerrors", "manifest"}
)  # fmt: skip
_FORMATS_NOT_EMULATED = frozenset({"avro", "parquet", "orc", "shapefile", "rcfile", "sequencefile"})
_OPTIONS_NOT_EMULATED = frozenset(
    {"lzop", "encrypted", "ssh", "readratio", "master_symmetric_key", "job", "simplify", "serializetojson"}
)  # fmt: skip
# What AWS documents as not possible together, by format or option.
_EXCLUSIVE: dict[str, tuple[str, ...]] = {
    "csv": ("fixedwidth", "removequotes", "escape", "json"),
    "fixedwidth": ("delimiter", "escape", "removequotes", "json"),
    "json": ("delimiter", "escape", "fillrecord", "ignoreblanklines", "null", "removequotes"),
    "maxerror": ("ignoreallerrors",),
}


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
    for option, others in _EXCLUSIVE.items():
        for other in others:
            if command.has(option) and command.has(other):
                raise SqlError(f"{option.upper()} is not compatible with {other.upper()}", code=SYNTAX_ERROR)
    if command.has("quote") and not command.csv:
        raise SqlError("QUOTE can be used with CSV only", code=SYNTAX_ERROR)
    if not command.has("delimiter"):
        command.delimiter = "," if command.csv else "|"
    if not command.delimiter or len(command.quote) != 1:
        raise SqlError("QUOTE takes one character, DELIMITER at least one", code=SYNTAX_ERROR)
    if command.delimiter in "\r\n" or (command.csv and command.quote in command.delimiter):
        raise SqlError("DELIMITER cannot be a line end, or contain the QUOTE", code=INVALID_PARAMETER)
    if command.accept_inv_chars is not None and not (
        len(command.accept_inv_chars) == 1 and "\0" < command.accept_inv_chars < "\x80"
    ):
        raise SqlError("ACCEPTINVCHARS takes one ASCII character that is not NUL", code=INVALID_PARAMETER)
    _check_moments(command)
    return command


def _check_moments(command: CopyCommand) -> None:
    if command.date_format != "auto":
        parse_pattern(command.date_format, "DATEFORMAT")
    if command.time_format not in ("auto", "epochsecs", "epochmillisecs"):
        parse_pattern(command.time_format, "TIMEFORMAT")


def _option(reader: Reader, command: CopyCommand) -> None:
    token = reader.take()
    name = token.value if token.kind is Kind.WORD else token.text
    if name in ("format", "as", "with", ";"):
        return
    if name in _FORMATS_NOT_EMULATED:
        raise not_emulated(f"COPY from {name.upper()}")
    if name in _OPTIONS_NOT_EMULATED:
        raise not_emulated(f"COPY option {name.upper()}")
    if name not in _FLAGS and name not in _VALUED:
        raise SqlError(f"syntax error at or near {token.text!r} in COPY", code=SYNTAX_ERROR)
    _note(command, name)
    if name in _VALUED:
        _VALUED[name](reader, command)
    command.manifest = command.has("manifest")


def _note(command: CopyCommand, name: str) -> None:
    """Remember an option. Raises SqlError if it, or another for the same thing, stands there already."""
    same = next((group for group in _ONCE if name in group), {name})
    if command.given & same:
        raise SqlError("conflicting or redundant options", code=SYNTAX_ERROR, detail=f"{name.upper()} in COPY")
    command.given.add(name)


_ONCE: tuple[frozenset[str], ...] = (
    frozenset({"gzip", "bzip2", "zstd"}),
    frozenset({"iam_role", "credentials", "access_key_id"}),
)


def _string(reader: Reader) -> str:
    """A string literal; a backslash before anything but a known escape stays, so that '\\N' is what it looks like."""
    reader.accept("as")
    token = reader.take()
    if token.kind is not Kind.STRING:
        raise SqlError(f"syntax error at or near {token.text!r} in COPY: expected a string", code=SYNTAX_ERROR)
    return unescape(token.text, keep_unknown=True)


def _null_string(reader: Reader) -> str:
    value = _string(reader)
    if "\n" in value:
        raise SqlError("NULL AS cannot contain the line end", code=INVALID_PARAMETER)
    return NUL_FIELD if value == "\0" else value


def _number(option: str, low: int, high: int) -> Callable[[Reader], int]:
    """Reads the option's number. Raises SqlError for one that does not lie between the two."""

    def read(reader: Reader) -> int:
        reader.accept("as")
        token = reader.take()
        if token.kind is not Kind.NUMBER or not token.text.isdigit():
            raise SqlError(f"syntax error at or near {token.text!r} in COPY: expected a number", code=SYNTAX_ERROR)
        if not low <= int(token.text) <= high:
            raise SqlError(f"{option} must lie between {low} and {high}", code=INVALID_PARAMETER)
        return int(token.text)

    return read


def _optional_string(reader: Reader, default: str) -> str:
    following: Token | None = reader.peek()
    behind = reader.tokens[reader.index + 1 :]
    if is_word(following, "as") and _first_kind(behind) is Kind.STRING:
        return _string(reader)
    return _string(reader) if following is not None and following.kind is Kind.STRING else default


def _first_kind(tokens: Sequence[Token]) -> Kind | None:
    return next((token.kind for token in tokens if token.kind is not Kind.SPACE), None)


def _on_off(reader: Reader) -> bool:
    """ON, TRUE, OFF, FALSE; nothing means ON."""
    if reader.accept("on") or reader.accept("true"):
        return True
    return not (reader.accept("off") or reader.accept("false"))


def _iam_role(reader: Reader, command: CopyCommand) -> None:
    if not reader.accept("default"):
        _string(reader)
    command.authorized = True


def _credentials(reader: Reader, command: CopyCommand) -> None:
    if not _string(reader).strip().startswith(_CREDENTIALS):
        raise SqlError(
            "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or"
            " 'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'"
        )
    command.authorized = True


def _key(reader: Reader, command: CopyCommand) -> None:
    _string(reader)
    command.authorized = True


def _csv(reader: Reader, command: CopyCommand) -> None:
    command.csv = True


def _fixed_width(reader: Reader, command: CopyCommand) -> None:
    """'label:width,label:width'."""
    text = _string(reader)
    pairs = [part.rpartition(":") for part in text.split(",")]
    if not all(label.strip() and width.strip().isdigit() and int(width) > 0 for label, _, width in pairs):
        raise SqlError(f"Invalid FIXEDWIDTH specification {text!r}: expected 'label:width,…'", code=INVALID_PARAMETER)
    command.fixed_width = [int(width) for _, _, width in pairs]


def _json(reader: Reader, command: CopyCommand) -> None:
    value = _optional_string(reader, "auto")
    if value not in ("auto", "auto ignorecase", "noshred") and urlsplit(value).scheme != "s3":
        raise SqlError(
            f"Invalid JSON option {value!r}: expected 'auto', 'auto ignorecase', 'noshred' or 's3://…'",
            code=INVALID_PARAMETER,
        )
    command.json = value


def _encoding(reader: Reader, command: CopyCommand) -> None:
    reader.accept("as")
    token = reader.take()
    command.encoding = token.value.lower().replace("-", "")
    if command.encoding not in CODECS:
        raise SqlError(
            f"Invalid ENCODING {token.value!r}: expected one of {', '.join(CODECS).upper()}", code=INVALID_PARAMETER
        )


def _setter(name: str, read: Callable[[Reader], object]) -> Callable[[Reader, CopyCommand], None]:
    return lambda reader, command: setattr(command, name, read(reader))


def _constant(name: str, value: object) -> Callable[[Reader, CopyCommand], None]:
    return lambda _, command: setattr(command, name, value)


def _comp_update(reader: Reader, _: CopyCommand) -> None:
    if not reader.accept("preset"):
        _on_off(reader)


def _comp_rows(reader: Reader, _: CopyCommand) -> None:
    _number("COMPROWS", 1000, 2_147_483_647)(reader)


_VALUED: dict[str, Callable[[Reader, CopyCommand], None]] = {
    "iam_role": _iam_role,
    "credentials": _credentials,
    "access_key_id": _key,
    "secret_access_key": _key,
    "session_token": _key,
    "region": _setter("region", _string),
    "csv": _csv,
    "quote": _setter("quote", _string),
    "delimiter": _setter("delimiter", _string),
    "fixedwidth": _fixed_width,
    "json": _json,
    "encoding": _encoding,
    "gzip": _constant("compression", "gzip"),
    "bzip2": _constant("compression", "bzip2"),
    "zstd": _constant("compression", "zstd"),
    "ignoreheader": _setter("ignore_header", _number("IGNOREHEADER", 0, 2_147_483_647)),
    "maxerror": _setter("max_error", _number("MAXERROR", 0, MAX_ERRORS)),
    "null": _setter("null_as", _null_string),
    "dateformat": _setter("date_format", lambda reader: _optional_string(reader, "YYYY-MM-DD")),
    "timeformat": _setter("time_format", lambda reader: _optional_string(reader, "YYYY-MM-DD HH:MI:SS")),
    "acceptinvchars": _setter("accept_inv_chars", lambda reader: _optional_string(reader, "?")),
    "statupdate": _setter("stat_update", _on_off),
    "compupdate": _comp_update,
    "comprows": _comp_rows,
}
