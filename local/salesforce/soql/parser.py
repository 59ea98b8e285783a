"""Recursive-descent parser of SOQL."""

from local.salesforce.soql.errors import MALFORMED_QUERY, SoqlError, error_at
from local.salesforce.soql.nodes import (
    Comparison,
    Condition,
    FieldPath,
    Junction,
    Literal,
    LiteralKind,
    Not,
    Operator,
    OrderItem,
    OtherItem,
    Query,
    SelectKind,
)
from local.salesforce.soql.tokens import Token, TokenKind, tokenize

_AGGREGATES = ("COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "GROUPING")
_CLAUSES = ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "WITH", "FOR", "ALL", "USING")
_LITERALS = {
    TokenKind.STRING: LiteralKind.STRING,
    TokenKind.NUMBER: LiteralKind.NUMBER,
    TokenKind.DATE: LiteralKind.DATE,
    TokenKind.DATETIME: LiteralKind.DATETIME,
}
_COMPARISONS = {"=": Operator.EQ, "!=": Operator.NE, "<>": Operator.NE} | {
    item.value: item for item in (Operator.LT, Operator.LE, Operator.GT, Operator.GE)
}
_DEEPEST = 100


def parse(text: str) -> Query:
    """The syntax tree of a query. Raises SoqlError (MALFORMED_QUERY) saying where it stops making sense."""
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._next = 0
        self._depth = 0

    def query(self) -> Query:
        """SELECT … FROM … and the clauses, in their order."""
        self._word("SELECT")
        items, is_count = self._select_list()
        self._word("FROM")
        source = self._name()
        alias = None
        if self._peek().kind is TokenKind.NAME and self._peek().text.upper() not in _CLAUSES:
            alias = self._name().text
        where = self._condition() if self._accept_word("WHERE") else None
        has_group_by = self._group_by()
        order_by = self._order_by()
        limit = self._whole_number() if self._accept_word("LIMIT") else None
        offset = self._whole_number() if self._accept_word("OFFSET") else None
        if self._peek().kind is not TokenKind.END:
            raise self._unexpected()
        return Query(
            self._text,
            items,
            is_count,
            source.text,
            source.position,
            alias,
            where,
            order_by,
            limit,
            offset,
            has_group_by,
        )

    # --- SELECT

    def _select_list(self) -> tuple[tuple[FieldPath | OtherItem, ...], bool]:
        if self._peek().is_word("COUNT") and self._peek(1).is_symbol("(") and self._peek(2).is_symbol(")"):
            self._next += 3
            return (), True
        items = [self._select_item()]
        while self._accept_symbol(","):
            items.append(self._select_item())
        return tuple(items), False

    def _select_item(self) -> FieldPath | OtherItem:
        first = self._peek()
        if first.is_symbol("("):
            return OtherItem(SelectKind.SUBQUERY, self._skip_brackets(), "", first.position)
        if first.is_word("TYPEOF"):
            while not self._accept_word("END"):
                self._advance()
            return OtherItem(SelectKind.TYPEOF, "TYPEOF", "", first.position)
        if not self._peek(1).is_symbol("("):
            return self._path()
        name = self._name().text.upper()
        argument = self._skip_brackets()
        if name == "FIELDS":
            return OtherItem(SelectKind.FIELDS, "FIELDS", argument.upper(), first.position)
        if name in _AGGREGATES:
            if self._peek().kind is TokenKind.NAME and not self._peek().is_word("FROM"):
                self._advance()
            return OtherItem(SelectKind.AGGREGATE, name, argument, first.position)
        raise error_at(MALFORMED_QUERY, self._text, first.position, f"unexpected token: '{first.text}('")

    def _skip_brackets(self) -> str:
        start = self._peek()
        self._symbol("(")
        depth = 1
        while depth:
            token = self._advance()
            depth += token.is_symbol("(") - token.is_symbol(")")
        return self._text[start.position + 1 : token.position].strip()

    def _path(self) -> FieldPath:
        first = self._name()
        parts = [first.text]
        while self._accept_symbol("."):
            parts.append(self._name().text)
        return FieldPath(tuple(parts), first.position)

    # --- WHERE

    def _condition(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._unexpected()
        terms = [self._term()]
        word = next((item for item in ("AND", "OR") if self._peek().is_word(item)), None)
        # The platform refuses AND beside OR without parentheses, and so do we.
        while word is not None and self._accept_word(word):
            terms.append(self._term())
        self._depth -= 1
        return terms[0] if len(terms) == 1 else Junction(word == "AND", tuple(terms))

    def _term(self) -> Condition:
        if self._accept_word("NOT"):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise self._unexpected()
            inner = self._term()
            self._depth -= 1
            return Not(inner)
        if self._accept_symbol("("):
            inner = self._condition()
            self._symbol(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        path = self._path()
        token = self._advance()
        if token.is_word("LIKE"):
            return Comparison(path, Operator.LIKE, (self._literal(),))
        if token.is_word("IN"):
            return Comparison(path, Operator.IN, self._literal_list())
        if token.is_word("NOT"):
            self._word("IN")
            return Comparison(path, Operator.NOT_IN, self._literal_list())
        operator = _COMPARISONS.get(token.text) if token.kind is TokenKind.SYMBOL else None
        if operator is None:
            raise self._unexpected(token)
        return Comparison(path, operator, (self._literal(),))

    def _literal_list(self) -> tuple[Literal, ...]:
        self._symbol("(")
        literals = [self._literal()]
        while self._accept_symbol(","):
            literals.append(self._literal())
        self._symbol(")")
        return tuple(literals)

    def _literal(self) -> Literal:
        token = self._advance()
        if token.kind is TokenKind.STRING:
            return Literal(LiteralKind.STRING, token.text[1:-1])
        if token.kind in _LITERALS:
            return Literal(_LITERALS[token.kind], token.text)
        if token.is_word("NULL"):
            return Literal(LiteralKind.NULL, "null")
        if token.is_word("TRUE") or token.is_word("FALSE"):
            return Literal(LiteralKind.BOOLEAN, token.text.lower())
        raise self._unexpected(token)

    # --- the other clauses

    def _group_by(self) -> bool:
        if not self._accept_word("GROUP"):
            return False
        self._word("BY")
        while not (self._peek().kind is TokenKind.END or self._peek().text.upper() in ("ORDER", "LIMIT", "OFFSET")):
            self._advance()
        return True

    def _order_by(self) -> tuple[OrderItem, ...]:
        if not self._accept_word("ORDER"):
            return ()
        self._word("BY")
        items = [self._order_item()]
        while self._accept_symbol(","):
            items.append(self._order_item())
        return tuple(items)

    def _order_item(self) -> OrderItem:
        path = self._path()
        descending = self._accept_word("DESC")
        if not descending:
            self._accept_word("ASC")
        nulls_last = False
        if self._accept_word("NULLS"):
            nulls_last = self._accept_word("LAST")
            if not nulls_last:
                self._word("FIRST")
        return OrderItem(path, descending, nulls_last)

    def _whole_number(self) -> int:
        token = self._advance()
        if token.kind is not TokenKind.NUMBER or not token.text.isdigit():
            raise self._unexpected(token)
        return int(token.text)

    # --- tokens

    def _peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def _advance(self) -> Token:
        token = self._peek()
        if token.kind is TokenKind.END:
            raise self._unexpected(token)
        self._next += 1
        return token

    def _accept_word(self, word: str) -> bool:
        found = self._peek().is_word(word)
        self._next += found
        return found

    def _accept_symbol(self, symbol: str) -> bool:
        found = self._peek().is_symbol(symbol)
        self._next += found
        return found

    def _word(self, word: str) -> None:
        if not self._accept_word(word):
            raise self._unexpected(expected=word)

    def _symbol(self, symbol: str) -> None:
        if not self._accept_symbol(symbol):
            raise self._unexpected(expected=symbol)

    def _name(self) -> Token:
        token = self._peek()
        if token.kind is not TokenKind.NAME:
            raise self._unexpected(token)
        return self._advance()

    def _unexpected(self, token: Token | None = None, expected: str | None = None) -> SoqlError:
        at = token or self._peek()
        detail = f"unexpected token: '{at.text}'"
        if expected is not None:
            detail = f"expecting '{expected}', found '{at.text}'"
        return error_at(MALFORMED_QUERY, self._text, at.position, detail)
