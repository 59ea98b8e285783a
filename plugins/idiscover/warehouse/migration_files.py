"""Migrations that people write: `sql/migrations/NNNN_name.sql`, each applied once, in the order of their numbers. Pure.

-- Purpose:     why the tables change.
-- Tables:      itg.lab, stg.lab
-- Back:        how the change is taken back, or why it cannot be.
-- Transaction: none, because …   (only where Redshift refuses one)
alter table itg.lab rename column "fee" to "price";
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from idiscover.errors import ConfigError

FOLDER = "migrations"  # below sql/

_FILE = re.compile(r"(\d{4})_[a-z0-9]+(?:_[a-z0-9]+)*\.sql")
_HEADER = re.compile(r"-- (Purpose|Tables|Back|Transaction): *(.*)")
_MORE = re.compile(r"--\s{2,}(\S.*)")
_TABLE = re.compile(r"[a-z]+\.[a-z0-9_]+")
_NEEDED = ("Purpose", "Tables", "Back")
# an opening of what may hold a semicolon, or a semicolon
_PIECE = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|\$(?P<tag>[a-zA-Z_]*)\$.*?\$(?P=tag)\$|;", re.DOTALL
)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
# "ALTER TABLE ALTER COLUMN cannot run inside a transaction block", and others that say so
_ALONE = re.compile(r"\s*(?:alter\s+table\s+\S+\s+(?:alter\s+column|append)|vacuum)\b", re.IGNORECASE)
_COMMITS = re.compile(r"\s*(?:truncate|commit|rollback|begin|start\s+transaction|end)\b", re.IGNORECASE)


@dataclass(frozen=True)
class MigrationFile:
    """One file.

    Attributes:
        version: its number, from 1.
        name: of the file, without `.sql`.
        purpose: from its header.
        tables: qualified names of all that it changes, from its header.
        back: how to take it back, from its header.
        in_transaction: all statements and the entry in the ledger are one transaction. Otherwise each statement is one.
        statements: in order; each may be run again where they are no transaction.
        checksum: of the text.
    """

    version: int
    name: str
    purpose: str
    tables: tuple[str, ...]
    back: str
    in_transaction: bool
    statements: tuple[str, ...]
    checksum: str


def read_migrations(sql_root: Path) -> list[MigrationFile]:
    """The files of a folder `sql/`, by number; none where there is no such folder.

    Raises:
        ConfigError: a name, a header or a statement is not as it has to be, a number is missing or used twice.
    """
    folder = sql_root / FOLDER
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}
    return parse_migrations(texts)


def parse_migrations(texts: Mapping[str, str]) -> list[MigrationFile]:
    """As `read_migrations`, from name of a file → text."""
    files = [parse_migration(name, text) for name, text in sorted(texts.items())]
    for expected, file in enumerate(files, start=1):
        if file.version == expected:
            continue
        is_twice = file.version < expected
        raise ConfigError(
            "a number of a migration is used twice" if is_twice else "a number of a migration is missing",
            where=f"sql/{FOLDER}/{file.name}.sql",
            got=f"{file.version:04}",
            expected=f"{expected:04}",
            remedy="number them 0001, 0002, … without a gap; one that was applied somewhere keeps its number",
        )
    return files


def parse_migration(file_name: str, text: str) -> MigrationFile:
    """One file.

    Raises:
        ConfigError: its name, its header or a statement is not as it has to be.
    """
    where = f"sql/{FOLDER}/{file_name}"
    if (found := _FILE.fullmatch(file_name)) is None or int(found[1]) == 0:
        raise ConfigError(
            "a migration has no proper name",
            where=where,
            expected="NNNN_what_it_does.sql, from 0001",
            remedy="rename it",
        )
    header = _header(text)
    if missing := [key for key in _NEEDED if not header.get(key)]:
        raise ConfigError(
            "the header of a migration is incomplete",
            where=where,
            got=f"no {', '.join(missing)}",
            expected=", ".join(f"-- {key}: …" for key in _NEEDED),
            remedy="write it: the first lines of the file, before the first statement",
        )
    tables = tuple(part.strip() for part in header["Tables"].split(","))
    if wrong := [table for table in tables if not _TABLE.fullmatch(table)]:
        raise ConfigError(
            "the header of a migration names what is no table", where=where, key="Tables", got=", ".join(wrong),
            expected="stg.lab, itg.lab", remedy="qualified names, with commas",
        )  # fmt: skip
    statements = tuple(split_statements(text))
    in_transaction = _check_statements(statements, header.get("Transaction"), where)
    return MigrationFile(
        int(found[1]), file_name.removesuffix(".sql"), header["Purpose"], tables, header["Back"], in_transaction,
        statements, checksum_of(text),
    )  # fmt: skip


def checksum_of(text: str) -> str:
    """Of what a migration does, whatever the line ends of a checkout."""
    return sha256("\n".join(text.splitlines()).encode()).hexdigest()


def split_statements(text: str) -> Iterator[str]:
    """The statements of a text, without their semicolons; comments before one belong to it."""
    begin = 0
    for piece in _PIECE.finditer(text):
        if piece[0] == ";":
            if statement := text[begin : piece.start()].strip():
                yield statement
            begin = piece.end()
    if _bare(rest := text[begin:].strip()):
        yield rest


def _bare(statement: str) -> str:
    return _COMMENTS.sub("", statement).strip()


def _header(text: str) -> dict[str, str]:
    """Key → text, of the comment lines that the file begins with; a line that is indented continues the one before."""
    header: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if found := _HEADER.match(line):
            key = found[1]
            header[key] = found[2].strip()
        elif key and (more := _MORE.match(line)):
            header[key] += f" {more[1].strip()}"
        else:
            key = ""
    return header


def _check_statements(statements: tuple[str, ...], transaction: str | None, where: str) -> bool:
    """Whether they are one transaction."""
    if not statements:
        raise ConfigError(
            "a migration does nothing", where=where, expected="a statement", remedy="write it, or remove it"
        )
    for statement in statements:
        if _COMMITS.match(_bare(statement)):
            raise ConfigError(
                "a migration ends its own transaction", where=where, got=_bare(statement).split("\n")[0],
                expected="no TRUNCATE, BEGIN, COMMIT, ROLLBACK: a deploy commits it, with its entry in the ledger",
                remedy="DELETE instead of TRUNCATE; leave the others away",
            )  # fmt: skip
    alone = [statement for statement in statements if _ALONE.match(_bare(statement))]
    if transaction is not None and not re.fullmatch(r"none, because \S.*", transaction):
        raise ConfigError(
            "the header of a migration is wrong", where=where, key="Transaction", got=transaction,
            expected="none, because …", remedy="leave it away, or say why there can be none",
        )  # fmt: skip
    if alone and transaction is None:
        raise ConfigError(
            "a migration has a statement that Redshift refuses in a transaction",
            where=where,
            got=_bare(alone[0]).split("\n")[0],
            expected="-- Transaction: none, because …",
            remedy="write that into its header; its statements have to bear being run again, others go apart",
        )
    return transaction is None
