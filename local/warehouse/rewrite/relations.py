"""The FROM clauses of a statement: which relations they name, and SUPER arrays that they iterate over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import SYNTAX_ERROR, SqlError
from ..tokens import Kind, Token, after, at, before, closing, is_name, is_op, is_word
from .qualify import is_qualify

_NAME = re.compile(r"[a-z_.]+")
_CLAUSE_ENDS = frozenset(
    {"where", "group", "having", "order", "limit", "offset", "union", "except", "intersect", "minus", "window",
     "set", "fetch", "for", "when", "into", "loop", "then", "on", "using", "with"}
)  # fmt: skip
_JOINS = frozenset({"join", "inner", "left", "right", "full", "outer", "cross", "natural"})
_NO_ALIAS = _CLAUSE_ENDS | _JOINS | {"values", "select", "default", "remove", "at", "as"}
_BEGINS = frozenset({"select", "delete", "update", "merge"})


@dataclass(frozen=True)
class Chain:
    """`a.b[0].c` at `start`, up to before `end`: names and subscripts, the latter as their tokens' range."""

    start: int
    end: int
    parts: tuple[tuple[str, int, int], ...]  # "name" or "[", the index of its first token, the end

    def names(self, tokens: Sequence[Token]) -> list[str]:
        """The names up to the first subscript."""
        found = []
        for kind, first, _ in self.parts:
            if kind == "[":
                break
            found.append(tokens[first].value)
        return found


@dataclass
class Item:
    """One item of a FROM clause: a chain of names with what follows it."""

    chain: Chain
    alias: str  # the name by which it is known, as it is compared
    index_name: str  # AT index
    end: int
    unpivots: bool = False


@dataclass
class Relations:
    """What the FROM clauses of a statement declare."""

    names: set[str] = field(default_factory=set)  # aliases and names of relations
    qualified: set[tuple[str, ...]] = field(default_factory=set)  # ("schema", "table")
    elements: set[str] = field(default_factory=set)  # names of the elements of arrays: these are columns
    iterated: list[Item] = field(default_factory=list)
    declared: set[int] = field(default_factory=set)  # tokens at which a relation's own name begins

    @property
    def of_catalogue(self) -> bool:
        """Whether PostgreSQL's catalogue is asked, which has arrays, and nothing of SUPER."""
        return any(name.startswith("pg_") for name in self.names) or any(
            names[0] == "information_schema" for names in self.qualified
        )


def chain_at(tokens: Sequence[Token], start: int) -> Chain:
    """The chain of names and subscripts that begins with the name at `start`."""
    parts = [("name", start, start + 1)]
    end = start + 1
    while True:
        index = after(tokens, end - 1)
        if is_op(at(tokens, index), ".") and is_name(at(tokens, after(tokens, index))):
            name = after(tokens, index)
            parts.append(("name", name, name + 1))
            end = name + 1
        elif is_op(at(tokens, index), "[") and not is_word(tokens[start], "array"):
            close = next((i for i in range(index, len(tokens)) if is_op(tokens[i], "]")), len(tokens) - 1)
            parts.append(("[", index, close + 1))
            end = close + 1
        else:
            return Chain(start, end, tuple(parts))


def relations_of(tokens: Sequence[Token]) -> Relations:
    """What the statement's FROM, JOIN, USING, UPDATE, INTO name."""
    found = Relations()
    for index, token in enumerate(tokens):
        if is_word(token, "from", "using") and _begins_a_query(tokens, index):
            _clause(tokens, after(tokens, index), found)
        elif is_word(token, "update", "into", "delete", "merge"):
            target = after(tokens, index)
            if is_name(at(tokens, target)) and not is_word(at(tokens, target), "from", "into", "on"):
                _declare(tokens, _item(tokens, target), found)
    return found


def _begins_a_query(tokens: Sequence[Token], index: int) -> bool:
    """Whether a FROM belongs to a SELECT, a DELETE, an UPDATE or a MERGE, and not to EXTRACT(… FROM …)."""
    depth = 0
    for position in reversed(range(index)):
        depth += is_op(tokens[position], ")") - is_op(tokens[position], "(")
        if depth < 0:
            return False
        if depth == 0 and is_word(tokens[position], *_BEGINS):
            previous = at(tokens, before(tokens, index))
            return not is_word(previous, "distinct")
    return False


def _clause(tokens: Sequence[Token], index: int, found: Relations) -> None:
    """The items of one clause: separated by commas and joins."""
    expects, depth = True, 0
    while index < len(tokens):
        token = tokens[index]
        if expects and is_name(token) and not is_word(token, *_NO_ALIAS, "lateral", "only"):
            unpivots = is_word(token, "unpivot") and is_name(at(tokens, after(tokens, index)))
            item = _item(tokens, after(tokens, index) if unpivots else index)
            item.unpivots = unpivots
            _declare(tokens, item, found)
            index, expects = item.end, False
            continue
        if expects and token.kind is Kind.RAW and _NAME.fullmatch(token.text):  # another rule has put it here
            if is_op(at(tokens, after(tokens, index)), "."):
                index = after(tokens, after(tokens, index))
                continue
            alias, index = _alias(tokens, index + 1)
            found.names |= {token.text.rsplit(".", 1)[-1], alias or token.text}
            expects = False
            continue
        if expects and is_op(token, "("):
            index, expects = _group(tokens, index, found), False
            continue
        depth += is_op(token, "(") - is_op(token, ")")
        if depth < 0 or (depth == 0 and is_op(token, ";")):
            return
        if depth == 0 and (is_op(token, ",") or is_word(token, "join")):
            expects = True
        elif depth == 0 and (is_word(token, *(_CLAUSE_ENDS - {"on", "using"})) or is_qualify(tokens, index)):
            return
        index += 1


def _group(tokens: Sequence[Token], index: int, found: Relations) -> int:
    """A parenthesis in a FROM: a subquery with its alias, or joined relations."""
    close = closing(tokens, index)
    inner = after(tokens, index)
    if not is_word(at(tokens, inner), "select", "with", "values"):
        _clause(tokens, inner, found)
    name, end = _alias(tokens, close + 1)
    if name:
        found.names.add(name)
    return end


def _item(tokens: Sequence[Token], index: int) -> Item:
    chain = chain_at(tokens, index)
    end = chain.end
    if is_op(at(tokens, after(tokens, end - 1)), "("):  # a function
        end = closing(tokens, after(tokens, end - 1)) + 1
    index_name = ""
    alias, end = _alias(tokens, end)
    if is_word(at(tokens, after(tokens, end - 1)), "at"):
        name = after(tokens, after(tokens, end - 1))
        if not is_name(at(tokens, name)):
            raise SqlError("syntax error: expected a name behind AT", code=SYNTAX_ERROR)
        index_name, end = tokens[name].text, name + 1
    last = next((tokens[first].value for kind, first, _ in reversed(chain.parts) if kind == "name"), "")
    return Item(chain, alias or last, index_name, end)


def _alias(tokens: Sequence[Token], end: int) -> tuple[str, int]:
    """The alias behind `end`, and where it ends."""
    index = after(tokens, end - 1)
    explicit = is_word(at(tokens, index), "as")
    index = after(tokens, index) if explicit else index
    token = at(tokens, index)
    if is_name(token) and (explicit or not (is_word(token, *_NO_ALIAS) or is_qualify(tokens, index))):
        assert token is not None
        return token.value, index + 1
    return "", end


def _declare(tokens: Sequence[Token], item: Item, found: Relations) -> None:
    names = item.chain.names(tokens)
    head = names[0]
    iterates = head in found.elements or (head in found.names and len(item.chain.parts) > 1)
    found.declared.add(item.chain.start)
    if item.unpivots or (iterates and tokens[item.chain.start].kind is not Kind.TEMP):
        found.iterated.append(item)
        found.elements.add(item.alias)
        if item.index_name:
            found.elements.add(item.index_name)
        return
    found.names.add(item.alias)
    found.names.add(names[-1])
    found.qualified.add(tuple(names))
