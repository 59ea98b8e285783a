"""From Redshift's SQL to PostgreSQL's: a script is cut into statements, each is rewritten by rules on its tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from ..errors import not_emulated, refused
from ..tokens import (
    Kind,
    Token,
    after,
    at,
    is_op,
    is_word,
    literal,
    raw,
    render,
    significant,
    split,
    tokenize,
    words,
)
from .columns import Columns, ColumnsNeeded, knowing
from .ddl import Reader, alter_materialized_view, alter_table, create_materialized_view, create_table
from .expressions import rewrite_expressions
from .forms import refuse_forms
from .merge import rewrite_merge
from .procedures import create_routine
from .queries import rewrite_query
from .recorded import query_type, reads_history, recorded_text
from .show import show
from .system import rewrite_system_names
from .users import alter_schema, user_options, without_quota

CACHED_SCRIPT_CHARACTERS = 65536


class Action(Enum):
    """Who carries a statement out."""

    UPSTREAM = "upstream"  # PostgreSQL, as it stands
    COPY = "copy"  # the front: COPY from S3
    UNLOAD = "unload"  # the front: UNLOAD to S3
    TRUNCATE = "truncate"  # PostgreSQL, and a commit behind it
    LATER = "later"  # PostgreSQL, rewritten when it can tell the columns of the relations


@dataclass(frozen=True)
class Statement:
    """One statement: what PostgreSQL shall run, and whether it controls the transaction itself."""

    action: Action
    sql: str
    controls_transaction: bool = False
    calls: bool = False  # a procedure, which has to see whether a transaction was begun before it
    begins: bool = False  # a transaction block
    source: str = ""  # as the history keeps it
    kind: str = ""  # likewise: SELECT, DDL, …
    reads_history: bool = False


_TRANSACTION = frozenset({"begin", "start", "commit", "end", "rollback", "abort"})
_REDSHIFT_SETTINGS = frozenset(
    {"query_group", "wlm_query_slot_count", "enable_result_cache_for_session", "describe_field_name_in_uppercase",
     "analyze_threshold_percent", "enable_case_sensitive_identifier", "enable_numeric_rounding",
     "cast_super_null_on_error", "json_serialization_enable", "mv_enable_aqmv_for_session",
     "navigate_super_null_on_error", "downcase_delimited_identifier", "spectrum_enable_enhanced_vacuum",
     "statement_queue_timeout", "error_on_nondeterministic_update"}
)  # fmt: skip
_REFUSED_OBJECTS = frozenset(
    {"index", "trigger", "rule", "sequence", "extension", "type", "domain", "tablespace", "aggregate", "operator",
     "cast", "event", "collation", "publication", "subscription", "policy", "statistics", "unlogged"}
)  # fmt: skip
_UNEMULATED_OBJECTS = frozenset(
    {"external", "library", "datashare", "model", "masking", "rls", "identity", "integration", "template"}
)
_UNEMULATED_STATEMENTS = frozenset({"attach", "detach", "desc", "describe", "use"})
_REFUSED_STATEMENTS = frozenset({"listen", "notify", "unlisten", "do", "cluster", "reindex", "load", "import"})


@lru_cache(maxsize=512)
def _rewrite_cached(sql: str) -> tuple[Statement, ...]:
    return _rewrite(sql)


def rewrite_script(sql: str) -> tuple[Statement, ...]:
    """The statements of `sql`, rewritten, without empty ones. Raises SqlError for what cannot be run."""
    return _rewrite_cached(sql) if len(sql) <= CACHED_SCRIPT_CHARACTERS else _rewrite(sql)


def rewrite_knowing(sql: str, known: Mapping[str, Columns]) -> Statement:
    """A statement that was left for LATER. Raises SqlError, and ColumnsNeeded for a query that is not in `known`."""
    return knowing(known, lambda: _statement(tokenize(sql)))


def rewrite_dynamic(sql: str, known: Mapping[str, Columns]) -> tuple[str, str]:
    """The text of an EXECUTE inside a procedure, rewritten, and `commit` if a commit is to follow it.

    With `columns`, the text is a query instead: the rewriting is to be asked for again with its columns in `known`.
    Raises SqlError for what cannot be run there.
    """
    try:
        statements = tuple(_in_procedure(statement, known) for statement in rewrite_script(sql))
    except ColumnsNeeded as needed:
        return needed.query, "columns"
    if any(statement.controls_transaction for statement in statements):
        raise refused("COMMIT or ROLLBACK in dynamic SQL")
    commits = any(statement.action is Action.TRUNCATE for statement in statements)
    if commits and len(statements) > 1:
        raise not_emulated("TRUNCATE beside other statements in one text of dynamic SQL")
    return join(statements), "commit" if commits else ""


def _in_procedure(statement: Statement, known: Mapping[str, Columns]) -> Statement:
    """A statement of dynamic SQL: COPY and UNLOAD are carried out by the front, which the procedure asks for it."""
    if statement.action is Action.LATER:
        return rewrite_knowing(statement.sql, known)
    if statement.action in (Action.COPY, Action.UNLOAD):
        return Statement(Action.UPSTREAM, f"select rs.carry_out({literal(statement.sql)})")
    return statement


def join(statements: Sequence[Statement]) -> str:
    """The statements as one script; each may end in a line comment."""
    return "\n;\n".join(statement.sql for statement in statements)


def _rewrite(sql: str) -> tuple[Statement, ...]:
    parts = split(tokenize(sql), ";")
    return tuple(_statement_or_later(part) for part in parts if significant(part))


def _statement_or_later(tokens: Sequence[Token]) -> Statement:
    try:
        return knowing({}, lambda: _statement(tokens))
    except ColumnsNeeded:
        return Statement(Action.LATER, render(tokens), reads_history=reads_history(tokens))


def _statement(tokens: Sequence[Token]) -> Statement:
    first = words(tokens, 1)[0]
    source, kind = recorded_text(tokens), query_type(tokens)
    if first in ("copy", "unload"):
        return Statement(Action(first), render(tokens), source=source, kind=kind)
    text = render(rewrite_statement(tokens)).strip()
    if first == "truncate":
        return Statement(Action.TRUNCATE, text, source=source, kind=kind)
    return Statement(
        Action.UPSTREAM,
        text,
        controls_transaction=first in _TRANSACTION,
        calls=text.startswith("call "),
        begins=first in ("begin", "start"),
        source=source,
        kind=kind,
        reads_history=reads_history(tokens),
    )


def rewrite_statement(tokens: Sequence[Token]) -> list[Token]:
    """One statement's tokens, rewritten."""
    first, second = (*words(tokens, 2), "", "")[:2]
    if first in _UNEMULATED_STATEMENTS:
        raise not_emulated(first.upper())
    if first in _REFUSED_STATEMENTS:
        raise refused(first.upper())
    if first in ("create", "drop", "alter") and second in _REFUSED_OBJECTS:
        raise refused(f"{first.upper()} {second.upper()}")
    if first in ("create", "drop", "alter", "refresh") and second in _UNEMULATED_OBJECTS:
        raise not_emulated(f"{first.upper()} {second.upper()}")
    refuse_forms(tokens)
    handler = _HANDLERS.get(first)
    return handler(tokens) if handler else _generic(tokens)


def _generic(tokens: Sequence[Token]) -> list[Token]:
    return rewrite_expressions(rewrite_query(rewrite_system_names(tokens)))


def _create(tokens: Sequence[Token]) -> list[Token]:
    kept = words(tokens, 4)
    kind = next((word for word in kept[1:] if word not in ("or", "replace", "local", "temp", "temporary")), "")
    if kind == "table":
        return [raw(create_table(rewrite_query(tokens)))]
    if kind in ("procedure", "function"):
        return [raw(create_routine(tokens, rewrite_statement))]
    if kind in _REFUSED_OBJECTS:
        raise refused(f"CREATE {kind.upper()}")
    if kind in _UNEMULATED_OBJECTS:
        raise not_emulated(f"CREATE {kind.upper()}")
    if kind == "unique":
        raise refused("CREATE INDEX")
    if kind == "user":
        return user_options(tokens)
    if kind == "schema":
        return without_quota(tokens)
    if kind == "materialized":
        return [raw(create_materialized_view(rewrite_query(tokens)))]
    if kind == "view":
        return _generic(_without(tokens, "with", "no", "schema", "binding"))
    return _generic(tokens)


def _without(tokens: Sequence[Token], *phrase: str) -> list[Token]:
    """The tokens without this run of words."""
    for start in range(len(tokens)):
        index, found = start, []
        for value in phrase:
            if not is_word(at(tokens, index), value):
                break
            found.append(index)
            index = after(tokens, index)
        if len(found) == len(phrase):
            return [*tokens[:start], *tokens[found[-1] + 1 :]]
    return list(tokens)


def _alter(tokens: Sequence[Token]) -> list[Token]:
    kind = words(tokens, 2)[1:]
    if kind == ("table",):
        return [raw(alter_table(tokens))]
    if kind == ("user",):
        return user_options(tokens)
    if kind == ("schema",):
        return alter_schema(tokens)
    if kind == ("default",):  # privileges
        return [raw("routines") if is_word(token, "procedures") else token for token in _grant(tokens)]
    return [raw(alter_materialized_view(tokens))] if kind == ("materialized",) else _generic(tokens)


def _drop(tokens: Sequence[Token]) -> list[Token]:
    """DROP PROCEDURE p(a IN int, b OUT int): OUT parameters are INOUT here."""
    routine = words(tokens, 2)[1:] in (("procedure",), ("function",))
    return [raw("inout") if routine and is_word(token, "out") else token for token in _generic(tokens)]


def _show(tokens: Sequence[Token]) -> list[Token]:
    """SHOW TABLES, COLUMNS … become queries of the system views; any other SHOW is of a setting."""
    query = show(tokens)
    return _setting(tokens) if query is None else [raw(query)]


def _setting(tokens: Sequence[Token]) -> list[Token]:
    """SET, SHOW and RESET of a setting that only Redshift knows: a placeholder of the same name in rs."""
    return [raw(f"rs.{t.value}") if is_word(t) and t.value in _REDSHIFT_SETTINGS else t for t in tokens]


def _vacuum(tokens: Sequence[Token]) -> list[Token]:
    """VACUUM FULL, SORT ONLY, … TO n PERCENT BOOST: PostgreSQL just vacuums the table."""
    reader = Reader(tokens)
    reader.take()
    for mode in (("full",), ("sort", "only"), ("delete", "only"), ("reindex",), ("recluster",)):
        reader.accept(*mode)
    return [raw(f"vacuum {reader.name() if reader.peek() else ''}")]


def _analyze(tokens: Sequence[Token]) -> list[Token]:
    if words(tokens, 2)[1:] == ("compression",):
        raise not_emulated("ANALYZE COMPRESSION")
    return _without(_without(tokens, "predicate", "columns"), "all", "columns")


def _grant(tokens: Sequence[Token]) -> list[Token]:
    """GRANT ROLE r TO ROLE s: PostgreSQL writes no ROLE."""
    return [token for index, token in enumerate(tokens) if not _is_role_noise(tokens, index)]


def _is_role_noise(tokens: Sequence[Token], index: int) -> bool:
    following = at(tokens, after(tokens, index))
    return is_word(tokens[index], "role") and following is not None and following.kind in (Kind.WORD, Kind.QUOTED)


def _truncate(tokens: Sequence[Token]) -> list[Token]:
    return [token for token in tokens if not is_op(token, ";")]


def _merge(tokens: Sequence[Token]) -> list[Token]:
    return rewrite_merge(rewrite_query(tokens))


def _refresh(tokens: Sequence[Token]) -> list[Token]:
    """REFRESH MATERIALIZED VIEW v [RESTRICT | CASCADE]."""
    return _without(_without(tokens, "cascade"), "restrict")


def _cancel(tokens: Sequence[Token]) -> list[Token]:
    """CANCEL process ['message']: the message is not passed on."""
    reader = Reader(tokens)
    reader.take()
    return [raw(f"call rs.cancel({reader.take().text})")]


def _lock(tokens: Sequence[Token]) -> list[Token]:
    if any(is_word(token, "in", "nowait") for token in tokens):
        raise refused("a mode in LOCK", "LOCK [TABLE] t keeps everybody out")
    return list(tokens)


_HANDLERS: dict[str, Callable[[Sequence[Token]], list[Token]]] = {
    "create": _create,
    "alter": _alter,
    "drop": _drop,
    "set": _setting,
    "show": _show,
    "reset": _setting,
    "vacuum": _vacuum,
    "analyze": _analyze,
    "analyse": _analyze,
    "grant": _grant,
    "revoke": _grant,
    "truncate": _truncate,
    "merge": _merge,
    "refresh": _refresh,
    "lock": _lock,
    "cancel": _cancel,
}
