"""A procedure's body as tokens, with what an operator has to know about each of them."""

from __future__ import annotations

from collections.abc import Iterator

from local.warehouse.tokens import Kind, Token, is_op, is_word, render, tokenize

_QUERY_STARTS = ("select", "with", "insert", "update", "delete", "create")


class Body:
    """The text of one CREATE PROCEDURE, cut into its head, the tokens of its body, and its tail."""

    def __init__(self, sql: str) -> None:
        outer = tokenize(sql)
        at = next(index for index, token in enumerate(outer) if token.kind is Kind.DOLLAR)
        fence = "$" + outer[at].text.split("$", 2)[1] + "$"
        self._head, self._tail = render(outer[:at]) + fence, fence + render(outer[at + 1 :])
        self.tokens: list[Token] = tokenize(outer[at].value)
        self._significant = [index for index, token in enumerate(self.tokens) if token.kind is not Kind.SPACE]
        self._place = {index: place for place, index in enumerate(self._significant)}
        self._lines = self._count_lines()
        self.depths = self._count_depths()
        self.scopes = self._find_scopes()
        self._fixed = self._find_fixed()

    def places(self) -> Iterator[int]:
        """Indexes of the tokens that may change, in order: no declarations, texts of errors, lists of data."""
        return (index for index in self._significant if index not in self._fixed)

    def near(self, index: int, offset: int) -> Token | None:
        """The token `offset` significant tokens after (before, if negative) the one at `index`."""
        place = self._place[index] + offset
        return self.tokens[self._significant[place]] if 0 <= place < len(self._significant) else None

    def following(self, index: int) -> Iterator[int]:
        """Indexes of the significant tokens after the one at `index`."""
        return iter(self._significant[self._place[index] + 1 :])

    def before(self, index: int) -> int:
        """Index of the significant token before the one at `index`."""
        return self._significant[self._place[index] - 1]

    def line(self, index: int) -> int:
        """The line of the whole text in which the token begins, from 1."""
        return self._lines[index]

    def text(self, start: int, end: int) -> str:
        """Text of the tokens [start, end)."""
        return render(self.tokens[start:end])

    def code(self, index: int) -> str:
        """The line of the token, without blanks and comments around it."""
        start = end = index
        while start and "\n" not in self.tokens[start - 1].text:
            start -= 1
        while end < len(self.tokens) and "\n" not in self.tokens[end].text:
            end += 1
        return self.text(start, end).strip()

    def replaced(self, start: int, end: int, text: str) -> str:
        """The whole procedure with the tokens [start, end) replaced by `text`."""
        return "".join((self._head, self.text(0, start), text, self.text(end, len(self.tokens)), self._tail))

    def _count_lines(self) -> list[int]:
        lines, line = [], 1 + self._head.count("\n")
        for token in self.tokens:
            lines.append(line)
            line += token.text.count("\n")
        return lines

    def _count_depths(self) -> list[int]:
        """Parentheses and CASEs around each token; an opening and its closing one count as outside."""
        depths, depth = [], 0
        for index, token in enumerate(self.tokens):
            closes = is_op(token, ")") or (is_word(token, "end") and depth > 0 and self._ends_case(index))
            depth -= closes
            depths.append(depth)
            depth += is_op(token, "(") or is_word(token, "case")
        return depths

    def _ends_case(self, index: int) -> bool:
        after = self.near(index, 1)
        return not (is_op(after, ";") or is_word(after, "if", "loop")) if after is not None else False

    def _find_scopes(self) -> list[int]:
        """For each token, where the innermost query (of a statement or in parentheses) around it begins."""
        scopes, stack = [], [0]
        for index, token in enumerate(self.tokens):
            if is_op(token, ")"):
                stack.pop()
            scopes.append(stack[-1])
            if is_op(token, "("):
                opens_query = is_word(self.near(index, 1), *_QUERY_STARTS)
                stack.append(index if opens_query else stack[-1])
            elif is_op(token, ";") and len(stack) == 1:
                stack = [index]
        return scopes

    def _find_fixed(self) -> set[int]:
        fixed: set[int] = set()
        declaring = fixed_statement = False
        for index in self._significant:
            token = self.tokens[index]
            declaring = (declaring or is_word(token, "declare")) and not is_word(token, "begin")
            fixed_statement = fixed_statement or is_word(token, "raise") or self._begins_list(index)
            if declaring or fixed_statement:
                fixed.add(index)
            fixed_statement = fixed_statement and not is_op(token, ";")
        return fixed

    def _begins_list(self, index: int) -> bool:
        """Whether the VALUES here are rows of data, more than one, rather than what a procedure computes."""
        if not is_word(self.tokens[index], "values"):
            return False
        inside = next(self.following(index))
        closing = next(place for place in self.following(inside) if self.depths[place] == self.depths[inside])
        return is_op(self.near(closing, 1), ",")
