"""SUPER: navigation by dots and subscripts, and FROM items that iterate over arrays, in terms of PostgreSQL's jsonb.

Nobody tells the rules which columns are SUPER. A chain of names is a navigation if it is longer than a column's name
can be: behind a relation's name and a column, or behind a name that no FROM clause declares.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..tokens import Kind, Token, after, at, before, closing, identifier, is_name, is_op, is_word, literal, raw, render
from .relations import Chain, Item, Relations, chain_at, relations_of
from .types import cast_type, type_end

_SPACE = Token(Kind.SPACE, " ", " ")
_COMPARISONS = ("=", "<>", "!=", "<", ">", "<=", ">=")
_NAMES_SOMETHING = (
    "table",
    "view",
    "into",
    "as",
    "update",
    "procedure",
    "function",
    "call",
    "exists",
    "references",
    "on",
)


def rewrite_super(tokens: Sequence[Token]) -> list[Token]:
    """The statement with its navigations in PostgreSQL's words."""
    if not _may_navigate(tokens):
        return list(tokens)
    known = relations_of(tokens)
    if known.of_catalogue:
        return list(tokens)
    starts = {item.chain.start: item for item in known.iterated}
    done: list[Token] = []
    lists = _SelectLists()
    index = 0
    while index < len(tokens):
        if index in starts:
            done += _iteration(tokens, starts[index], known, done)
            index = starts[index].end
            continue
        chain = _navigation(tokens, index, known)
        if chain is None:
            lists.see(tokens[index])
            done.append(tokens[index])
            index += 1
            continue
        text, end = _expression(tokens, chain, known)
        done.append(raw(text))
        if lists.is_item(tokens, index, end):
            name = _last_name(tokens, chain)
            done += [_SPACE, Token(Kind.WORD, "as", "as"), _SPACE, Token(Kind.QUOTED, identifier(name), name)]
        index = end
    return done


def protect_variables(tokens: Sequence[Token]) -> list[Token]:
    """A statement of a procedure, with `r.a` made untouchable where no FROM clause has r: it may be a record's."""
    known = relations_of(tokens)
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        end = chain_at(tokens, index).end if is_name(tokens[index]) else index + 1
        piece = tokens[index:end]
        done += [raw(render(piece))] if _is_unknown(tokens, index, known) else piece
        index = end
    return done


def _is_unknown(tokens: Sequence[Token], index: int, known: Relations) -> bool:
    """Whether a qualified name at `index` begins with something that no FROM clause declares."""
    if not is_name(tokens[index]) or index in known.declared:
        return False
    chain = chain_at(tokens, index)
    names = chain.names(tokens)
    if len(names) < 2 or is_op(at(tokens, after(tokens, chain.end - 1)), "("):
        return False
    return names[0] not in known.names | known.elements and tuple(names[:2]) not in known.qualified


def _last_name(tokens: Sequence[Token], chain: Chain) -> str:
    return next(tokens[first].value for kind, first, _ in reversed(chain.parts) if kind == "name")


class _SelectLists:
    """Whether the walk is in a select list, per parenthesis that is open."""

    def __init__(self) -> None:
        self._open = [False]
        self._previous: Token | None = None

    def see(self, token: Token) -> None:
        """Go past a token."""
        if is_op(token, "("):
            self._open.append(False)
        elif is_op(token, ")") and len(self._open) > 1:
            self._open.pop()
        elif is_word(token, "select"):
            self._open[-1] = True
        elif is_word(token, "from", "where", "group", "order", "into"):
            self._open[-1] = False

    def is_item(self, tokens: Sequence[Token], start: int, end: int) -> bool:
        """Whether what stands from `start` up to `end` is all of an item, without an alias."""
        previous, following = at(tokens, before(tokens, start)), at(tokens, after(tokens, end - 1))
        begins = is_word(previous, "select", "distinct", "all") or is_op(previous, ",")
        ends = following is None or is_word(following, "from") or is_op(following, ",") or is_op(following, ")")
        return self._open[-1] and begins and (ends or is_op(following, ";"))


def _may_navigate(tokens: Sequence[Token]) -> bool:
    if not any(is_word(token, "select", "update", "delete", "merge") for token in tokens):
        return False
    return any(is_op(token, ".") or is_op(token, "[") for token in tokens)


def _navigation(tokens: Sequence[Token], index: int, known: Relations) -> Chain | None:
    """The chain at `index` if it goes into a value."""
    if not is_name(tokens[index]) or index in known.declared:
        return None
    previous = at(tokens, before(tokens, index))
    if is_op(previous, ".") or is_op(previous, "::") or is_word(previous, *_NAMES_SOMETHING):
        return None
    chain = chain_at(tokens, index)
    following = at(tokens, after(tokens, chain.end - 1))
    if len(chain.parts) == 1 or is_op(following, "(") or is_op(following, "."):
        return None
    column = _column_parts(tokens, chain, known)
    return chain if len(chain.parts) > column else None


def _column_parts(tokens: Sequence[Token], chain: Chain, known: Relations) -> int:
    """How many parts of the chain name the column."""
    names = chain.names(tokens)
    if names[0] in known.elements:
        return 1
    for size in (3, 2):
        if tuple(names[:size]) in known.qualified and len(names) > size:
            return size + 1
    if names[0] in known.names:
        return min(2, len(names))
    if not known.names:
        return len(names)
    return 1


def _path(tokens: Sequence[Token], chain: Chain, known: Relations) -> str:
    column = min(_column_parts(tokens, chain, known), len(chain.parts))
    head = chain.parts[:column]
    text = ".".join(render(tokens[first:end]) for kind, first, end in head if kind == "name")
    for kind, first, end in chain.parts[column:]:
        text += render(tokens[first:end]) if kind == "[" else f"[{literal(tokens[first].value)}]"
    return f"nullif({text}, 'null')"


def _expression(tokens: Sequence[Token], chain: Chain, known: Relations) -> tuple[str, int]:
    """A navigation with what stands behind it, if that needs to know: a cast, a comparison, LIKE, IN."""
    path, end = _path(tokens, chain, known), chain.end
    index = after(tokens, end - 1)
    token, following = at(tokens, index), after(tokens, index)
    if is_op(token, "::") and is_word(at(tokens, following)):
        stop = type_end(tokens, following)
        kind = cast_type(tokens[following:stop])
        return f"rs.super_cast({path}, null::{kind})::{kind}", stop
    if token is not None and token.kind is Kind.OP and token.text in _COMPARISONS:
        constant = _constant(tokens, following)
        if constant:
            return f"{path} {token.text} {constant}", following + 1
    if is_word(token, "like", "ilike") or (is_word(token, "not") and is_word(at(tokens, following), "like", "ilike")):
        return f"rs.super_cast({path}, null::varchar)", end
    if is_word(token, "in") and is_op(at(tokens, following), "("):
        close = closing(tokens, following)
        parts = [_constant(tokens, i) or tokens[i].text for i in range(following, close + 1)]
        return f"{path} in {''.join(parts)}", close + 1
    return path, end


def _constant(tokens: Sequence[Token], index: int) -> str:
    """A literal at `index` as SUPER; empty if there is none, or if it is cast."""
    token = at(tokens, index)
    if token is None or is_op(at(tokens, after(tokens, index)), "::"):
        return ""
    if token.kind is Kind.STRING:
        return f"to_jsonb({token.text}::text)"
    return f"to_jsonb({token.text}::numeric)" if token.kind is Kind.NUMBER else ""


def _iteration(tokens: Sequence[Token], item: Item, known: Relations, done: list[Token]) -> list[Token]:
    """`t.values as v at i`: an element per row; UNPIVOT of an object: a member per row."""
    if item.unpivots:  # the word itself has been passed on already
        while done and not is_word(done.pop(), "unpivot"):
            pass
    function = "members" if item.unpivots else "elements"
    alias, index_name = identifier(item.alias), item.index_name or "rs_index"
    chain = item.chain
    path = _path(tokens, chain, known) if len(chain.parts) > 1 else render(tokens[chain.start : chain.end])
    return [raw(f" lateral rs.{function}({path}) as {alias} ({alias}, {index_name})")]
