"""The text of an UNLOAD, parsed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import FEATURE_NOT_SUPPORTED, SYNTAX_ERROR, SqlError, not_emulated
from ..rewrite import Statement, rewrite_script
from ..rewrite.ddl import Reader, names_in
from ..tokens import Kind, is_op, is_word, tokenize, unescape

MEGABYTE = 1024 * 1024
MIN_FILE_BYTES = 5 * MEGABYTE
MAX_FILE_BYTES = int(6.2 * 1024 * MEGABYTE)


@dataclass
class UnloadCommand:
    """What to write, where to, and how. Flags are named as Redshift names them, in lower case."""

    query: Statement
    target: str = ""
    authorized: bool = False
    region: str | None = None
    csv: bool = False
    delimiter: str = ""
    null_as: str = ""
    compression: str = ""  # gzip, bzip2, zstd
    extension: str = ""
    partition_by: list[str] = field(default_factory=list)
    include_partitions: bool = False
    parallel: bool = True
    max_file_bytes: int = MAX_FILE_BYTES
    flags: set[str] = field(default_factory=set)

    @property
    def bucket(self) -> str:
        """The bucket of the target."""
        return urlsplit(self.target).netloc

    @property
    def prefix(self) -> str:
        """What the keys of all files begin with."""
        return self.target.removeprefix(f"s3://{self.bucket}").lstrip("/")


_FLAGS = frozenset({"header", "addquotes", "escape", "allowoverwrite", "cleanpath", "manifest"})
_COMPRESSIONS = frozenset({"gzip", "bzip2", "zstd"})
_NOT_EMULATED = frozenset({"parquet", "json", "fixedwidth", "encrypted", "kms_key_id", "master_symmetric_key"})


def parse_unload(sql: str) -> UnloadCommand:
    """An UNLOAD ('query') TO 's3://…' statement. Raises SqlError for syntax and for what is not emulated."""
    reader = Reader(tokenize(sql))
    reader.accept("unload")
    inner = Reader(reader.group())
    command = UnloadCommand(query=_query(_string(inner)))
    if not reader.accept("to"):
        raise SqlError("syntax error: expected UNLOAD ('query') TO 's3://…'", code=SYNTAX_ERROR)
    command.target = _string(reader)
    if urlsplit(command.target).scheme != "s3" or not command.bucket:
        raise SqlError(f"Invalid S3 path {command.target!r}: expected s3://bucket/prefix", code=SYNTAX_ERROR)
    while (token := reader.peek()) is not None:
        if is_op(token, ";"):
            reader.take()
            continue
        _option(reader, command)
    return _checked(command)


def _query(text: str) -> Statement:
    """The query, rewritten or left for later. Raises SqlError if it is none, or limits its rows itself."""
    tokens, depth = tokenize(text), 0
    for token in tokens:
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0 and is_word(token, "limit"):
            raise SqlError(
                "Limit clause is not supported in the outermost select of an UNLOAD statement",
                code=FEATURE_NOT_SUPPORTED,
            )
    first = next((token for token in tokens if token.kind is not Kind.SPACE), None)
    statements = rewrite_script(text)
    if len(statements) != 1 or not is_word(first, "select", "with"):
        raise SqlError("syntax error: UNLOAD takes one SELECT", code=SYNTAX_ERROR)
    return statements[0]


def _checked(command: UnloadCommand) -> UnloadCommand:
    command.delimiter = command.delimiter or ("," if command.csv else "|")
    if not command.authorized:
        raise SqlError("UNLOAD needs authorization: IAM_ROLE, CREDENTIALS or ACCESS_KEY_ID", code=SYNTAX_ERROR)
    if command.csv and command.flags & {"escape", "addquotes"}:
        raise SqlError("CSV is not compatible with ESCAPE, FIXEDWIDTH or ADDQUOTES", code=SYNTAX_ERROR)
    if {"allowoverwrite", "cleanpath"} <= command.flags:
        raise SqlError("CLEANPATH and ALLOWOVERWRITE can not be used together", code=SYNTAX_ERROR)
    if len(command.delimiter) != 1:
        raise SqlError("DELIMITER takes one character", code=SYNTAX_ERROR)
    if not MIN_FILE_BYTES <= command.max_file_bytes <= MAX_FILE_BYTES:
        raise SqlError("MAXFILESIZE must lie between 5 MB and 6.2 GB", code="22023")
    return command


def _option(reader: Reader, command: UnloadCommand) -> None:
    token = reader.take()
    name = token.value if token.kind is Kind.WORD else token.text
    if name in _FLAGS:
        command.flags.add(name)
        if name == "manifest" and reader.accept("verbose"):
            raise not_emulated("UNLOAD option MANIFEST VERBOSE")
    elif name in _COMPRESSIONS:
        command.compression = name
    elif name in _VALUED:
        _VALUED[name](reader, command)
    elif name in _NOT_EMULATED:
        raise not_emulated(f"UNLOAD option {name.upper()}")
    elif name not in ("format", "as", "with"):
        raise SqlError(f"syntax error at or near {token.text!r} in UNLOAD", code=SYNTAX_ERROR)


def _string(reader: Reader) -> str:
    reader.accept("as")
    token = reader.take()
    if token.kind is Kind.DOLLAR:
        return token.value
    if token.kind is not Kind.STRING:
        raise SqlError(f"syntax error at or near {token.text!r} in UNLOAD: expected a string", code=SYNTAX_ERROR)
    return unescape(token.text, keep_unknown=True)


def _secret(reader: Reader, command: UnloadCommand) -> None:
    reader.accept("with")
    if not reader.accept("default"):
        _string(reader)
    command.authorized = True


def _csv(_: Reader, command: UnloadCommand) -> None:
    command.csv = True


def _null(reader: Reader, command: UnloadCommand) -> None:
    command.null_as = _string(reader)


def _delimiter(reader: Reader, command: UnloadCommand) -> None:
    command.delimiter = _string(reader)


def _region(reader: Reader, command: UnloadCommand) -> None:
    command.region = _string(reader)


def _extension(reader: Reader, command: UnloadCommand) -> None:
    command.extension = "." + _string(reader).lstrip(".")


def _parallel(reader: Reader, command: UnloadCommand) -> None:
    command.parallel = not (reader.accept("off") or reader.accept("false"))
    if command.parallel and not reader.accept("on"):
        reader.accept("true")


def _max_file_size(reader: Reader, command: UnloadCommand) -> None:
    reader.accept("as")
    amount = float(reader.take().text)
    unit = 1024 * MEGABYTE if reader.accept("gb") else MEGABYTE
    reader.accept("mb")
    command.max_file_bytes = int(amount * unit)


def _partition(reader: Reader, command: UnloadCommand) -> None:
    if not reader.accept("by"):
        raise SqlError("syntax error: expected PARTITION BY ( column, … )", code=SYNTAX_ERROR)
    command.partition_by = names_in(reader.group())
    command.include_partitions = reader.accept("include")


_VALUED: dict[str, Callable[[Reader, UnloadCommand], None]] = {
    "iam_role": _secret,
    "credentials": _secret,
    "access_key_id": _secret,
    "secret_access_key": _secret,
    "session_token": _secret,
    "csv": _csv,
    "null": _null,
    "delimiter": _delimiter,
    "region": _region,
    "extension": _extension,
    "parallel": _parallel,
    "maxfilesize": _max_file_size,
    "partition": _partition,
}
