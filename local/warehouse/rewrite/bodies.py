"""The bodies of plpgsql procedures: statements, dynamic SQL, transaction control, handlers.

Redshift has no subtransactions. An error rolls the whole transaction back, the handler's own work is committed, and the
error is thrown again; a NONATOMIC procedure commits each statement and goes on behind a handler. PostgreSQL commits
nowhere within a block that has a handler, so the handler is moved behind the block that it is for:

- An atomic block becomes `begin … exception when others then (remember); end; if rs_failed then … end if`.
- Where statements commit, it is each statement that stands in such a block, and a failed one leaves for the handler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..errors import not_emulated, refused
from ..tokens import (
    Kind,
    Token,
    after,
    at,
    before,
    compact,
    is_op,
    is_word,
    literal,
    raw,
    render,
    significant,
    tokenize,
)
from .expressions import rewrite_expressions
from .queries import finished, rewrite_query
from .selects import rewrite_selects
from .super import protect_variables
from .surroundings import Surroundings, table_made, within
from .types import column_type, type_end

StatementRewriter = Callable[[Sequence[Token]], list[Token]]

_VARIABLES = (
    "declare rs_failed boolean := false; rs_in_block boolean := false;"
    " rs_code text; rs_message text; rs_detail text; rs_hint text;"
    " rs_called text := coalesce(current_setting('rs.called', true), '');\n"
)
_REMEMBER = (
    "exception when others then get stacked diagnostics rs_code = returned_sqlstate, rs_message = message_text,"
    " rs_detail = pg_exception_detail, rs_hint = pg_exception_hint; rs_failed := true; end; "
)
_RETHROW = "perform rs.rethrow(rs_code, rs_message, rs_detail, rs_hint); "
_IN_HANDLER = {"sqlerrm": "rs_message", "sqlstate": "rs_code"}
_COMMITTED = frozenset(
    {"insert", "update", "delete", "merge", "create", "alter", "drop", "execute", "call", "perform", "select", "with",
     "grant", "revoke", "analyze", "comment", "copy", "unload"}
)  # fmt: skip
_REWRITTEN = frozenset({"create", "alter", "drop", "insert", "update", "delete", "select", "with", "call", "merge"})
_BOUNDARIES = ("begin", "declare", "else", "exception", "then", "loop")
_NEVER_GUARDED = frozenset({"return", "exit", "continue", "null", "commit", "rollback", "start"})
_NOT_IN_PROCEDURES = frozenset({"vacuum", "prepare"})


def rewrite_body(
    body: str, rewrite_statement: StatementRewriter, *, atomic: bool, commits: bool, parameters: Sequence[str] = ()
) -> str:
    """A plpgsql body with all its statements rewritten.

    Args:
        body: its text.
        rewrite_statement: rewrites a statement by itself.
        atomic: it is not NONATOMIC.
        commits: PostgreSQL lets it commit: it is neither SECURITY DEFINER nor has settings of its own.
        parameters: their names.
    """
    tokens = tokenize(body)
    survey = _Body(rewrite_statement, atomic, commits, only_looks=True, around=Surroundings({*parameters}))
    survey.run(tokens)
    if survey.truncates and survey.handled:
        raise refused("TRUNCATE together with EXCEPTION in one procedure")
    if survey.controls and not commits:
        raise not_emulated("COMMIT and ROLLBACK in a procedure with SECURITY DEFINER or SET")
    guards = not atomic or survey.controls
    walk = _Body(rewrite_statement, atomic, commits, handled=frozenset(survey.handled), guards=guards)
    walk.around.variables |= survey.around.variables
    text = walk.run(tokens)
    if not (survey.handled or survey.calls or not atomic):
        return text
    check = "perform rs.check_nesting(); " if survey.calls else ""
    last = at(significant(walk.done), len(significant(walk.done)) - 1)
    return f"{_VARIABLES}begin {check}{text}{'' if is_op(last, ';') else chr(10) + ';'}\nend"


@dataclass
class _Block:
    """An open BEGIN."""

    number: int
    handled: bool  # it has a handler
    in_handler: bool = False


@dataclass
class _Body:
    """Walks through a body, cutting it into fragments: statements, and headers such as `IF … THEN`.

    The first walk only finds out what there is (`only_looks`); the second knows which blocks have handlers (`handled`)
    and whether each statement is to be guarded (`guards`) instead of each block.
    """

    rewrite_statement: StatementRewriter
    atomic: bool
    commits: bool
    only_looks: bool = False
    handled: set[int] | frozenset[int] = field(default_factory=set)
    guards: bool = False
    done: list[Token] = field(default_factory=list)
    current: list[Token] = field(default_factory=list)
    blocks: list[_Block] = field(default_factory=list)
    begun: int = 0
    declaring: bool = False
    awaits_condition: bool = False
    depth: int = 0
    cases: int = 0
    truncates: bool = False
    controls: bool = False
    calls: bool = False
    around: Surroundings = field(default_factory=Surroundings)

    def run(self, tokens: Sequence[Token]) -> str:
        with within(self.around):
            for token in tokens:
                self._step(token)
            self._flush(complete=False)
        return render(self.done)

    def _step(self, token: Token) -> None:
        self.depth += is_op(token, "(") - is_op(token, ")")
        if self.depth == 0 and is_op(token, ";"):
            self._flush(complete=True)
            self.done.append(token)
        elif self.depth == 0 and self._is_boundary(token):
            if self.awaits_condition and is_word(token, "then"):
                self._condition()
                return
            self._flush(complete=False)
            self._enter(token)
        else:
            self.current.append(token)

    def _is_boundary(self, token: Token) -> bool:
        if not is_word(token, "case", "end", *_BOUNDARIES):  # nearly all tokens; what follows looks at many
            return False
        kept = significant(self.current)
        first = kept[0] if kept else None
        if len(kept) == 1 and is_word(first, "end"):
            return False
        if is_word(token, "case") and kept:
            self.cases += 1
        elif is_word(token, "end") and self.cases:
            self.cases -= 1
        if self.cases or is_word(first, "merge"):
            return False
        starts = not kept or (is_op(first, "<") and is_op(kept[-1], ">"))
        if is_word(token, "begin", "declare", "else", "exception"):
            return starts
        return is_word(token, "then", "loop")

    def _enter(self, token: Token) -> None:
        if token.value == "exception":
            self._begin_handler()
            return
        self.done.append(token)
        if token.value == "declare":
            self.declaring = True
        elif token.value == "begin":
            self.declaring = False
            block = _Block(self.begun, self.begun in self.handled)
            self.begun += 1
            self.blocks.append(block)
            if block.handled:
                self.done.append(raw(f" <<rs_block_{block.number}>> begin " if self.guards else " begin "))

    # -- handlers

    def _begin_handler(self) -> None:
        block = self.blocks[-1]
        block.in_handler, self.awaits_condition = True, True
        if isinstance(self.handled, set):
            self.handled.add(block.number)
        end = "end; " if self.guards else _REMEMBER
        undo = "if rs.may_commit() then rollback; end if; " if self._ends_transactions() else ""
        self.done.append(raw(f"{end}if rs_failed then rs_failed := false; {undo}"))

    def _ends_transactions(self) -> bool:
        """Whether a handler here may roll back and commit: it may not within a block that has one itself."""
        return self.atomic and self.commits and (self.guards or self._handler_of(self.blocks[:-1]) is None)

    def _condition(self) -> None:
        """WHEN … THEN of a handler."""
        kept = significant(self.current)
        if len(kept) != 2 or not is_word(kept[0], "when") or not is_word(kept[1], "others"):
            raise refused("an exception handler for anything but OTHERS")
        self.current, self.awaits_condition = [], False

    def _end_handler(self) -> None:
        commit = "if rs.may_commit() then commit; end if; " if self._ends_transactions() else ""
        self.done.append(raw(f"{commit}{self._rethrow() if self.atomic else ''}end if; "))

    def _rethrow(self) -> str:
        outer = self._handler_of(self.blocks[:-1])
        return f"rs_failed := true; exit rs_block_{outer.number}; " if self.guards and outer else _RETHROW

    @staticmethod
    def _handler_of(blocks: Sequence[_Block]) -> _Block | None:
        """The innermost of these blocks whose handler an error would reach."""
        return next((block for block in reversed(blocks) if block.handled and not block.in_handler), None)

    # -- fragments

    def _flush(self, *, complete: bool) -> None:
        fragment, self.current, self.cases = self.current, [], 0
        first = after(fragment, -1)
        if first == len(fragment):
            self.done += fragment
        elif self.declaring:
            self.around.variables.add(fragment[first].value)
            self.done += declaration(fragment)
        elif is_word(fragment[first], "end"):
            self._end(fragment, first)
        elif complete:
            self._statement(fragment, first)
        else:
            if is_word(fragment[first], "for"):  # it declares its variable
                self.around.variables |= {token.value for token in significant(fragment[first + 1 :])[:1]}
            self.done += self._fragment(fragment, first)

    def _end(self, fragment: list[Token], first: int) -> None:
        following = at(fragment, after(fragment, first))
        if not is_word(following, "if", "loop", "case") and self.blocks:
            self.done += fragment[:first]
            if self.blocks[-1].in_handler:
                self._end_handler()
            self.blocks.pop()
            self.done += fragment[first:]
        else:
            self.done += fragment

    def _statement(self, fragment: list[Token], first: int) -> None:
        """A whole statement, without its semicolon; guarded and committed where the procedure asks for it."""
        word = fragment[first].value if fragment[first].kind is Kind.WORD else ""
        self.calls |= word == "call"
        self.controls |= word in ("commit", "rollback")
        self.truncates |= word == "truncate"
        text, behind = self._fragment(fragment, first), self._behind(word)
        if word == "create" and not self.only_looks:
            self._note_table(fragment[first:])
        handler = self._handler_of(self.blocks) if self.guards else None
        if word == "call":
            guarded = self._handler_of(self.blocks) is not None or not self.commits
            mode = "guarded" if guarded else "atomic" if self.atomic else ""
            if mode:
                before_it = f" perform set_config('rs.called', greatest(rs_called, '{mode}'), true); "
                text = [raw(before_it), *text, raw("; perform set_config('rs.called', rs_called, true)")]
        if handler is None or word in _NEVER_GUARDED:
            self.done += [*text, *([raw(f"; {behind}")] if behind else [])]
            return
        leave = f"if rs_failed then exit rs_block_{handler.number}; end if"
        self.done += [raw(" begin "), *text, raw(f"; {_REMEMBER}{leave}{'; ' + behind if behind else ''}")]

    def _note_table(self, tokens: list[Token]) -> None:
        made = table_made(tokens)
        if made is not None:
            name, query = made
            self.around.tables[name] = rewrite_selects(protect_variables(query), finished)

    def _behind(self, word: str) -> str:
        """What follows a statement: the commits that Redshift makes."""
        if word == "truncate":
            return "commit" if self.commits else ""
        if word in ("commit", "rollback") and not self.atomic:
            return "rs_in_block := false"
        due = "rs.commit_is_due()" if word == "execute" else ""
        each = "(not rs_in_block and rs.commits_each())" if not self.atomic and word in _COMMITTED else ""
        condition = " or ".join(part for part in (due, each) if part)
        return f"if {condition} then {'commit; ' if self.commits else ''}end if" if condition else ""

    def _fragment(self, fragment: list[Token], first: int) -> list[Token]:
        if self.only_looks:
            return fragment
        word = fragment[first].value if fragment[first].kind is Kind.WORD else ""
        if any(block.in_handler for block in self.blocks):
            fragment = [self._remembered(token) for token in fragment]
            if word == "raise" and len(significant(fragment)) == 1:
                return [*fragment[:first], raw(_RETHROW.rstrip("; "))]
        fragment = protect_variables(fragment)
        if word in ("copy", "unload"):
            return [*fragment[:first], raw(f"perform rs.carry_out({literal(render(fragment[first:]))})")]
        if word in _NOT_IN_PROCEDURES:
            raise refused(f"{word.upper()} inside a stored procedure")
        if word in ("commit", "rollback", "truncate"):
            refuse = raw(f"if rs.refuse_in_block('{word.upper()}') then end if; ")
            return [*fragment[:first], refuse, *self.rewrite_statement(fragment[first:])]
        if word == "start" and not self.atomic:
            return [*fragment[:first], raw("rs_in_block := true")]
        if _execute_at(fragment) is not None:
            return _dynamic(fragment)
        if word in _REWRITTEN:
            return [*fragment[:first], *self.rewrite_statement(fragment[first:])]
        return rewrite_expressions(rewrite_query(fragment))

    @staticmethod
    def _remembered(token: Token) -> Token:
        return raw(_IN_HANDLER[token.value]) if is_word(token, *_IN_HANDLER) else token


def declaration(fragment: Sequence[Token]) -> list[Token]:
    """`name [constant] type [not null] [:= value]` in a DECLARE section."""
    name = after(fragment, -1)
    start = after(fragment, name)
    if is_word(at(fragment, start), "constant"):
        start = after(fragment, start)
    if not is_word(at(fragment, start)) or is_word(at(fragment, start), "cursor", "alias", "record", "refcursor"):
        return rewrite_expressions(rewrite_query(fragment))
    end = type_end(fragment, start)
    if any(token.text == "%" for token in fragment[end : end + 1]) or is_op(at(fragment, after(fragment, start)), "."):
        return list(fragment)
    return [*fragment[:start], raw(column_type(fragment[start:end])), *rewrite_expressions(fragment[end:])]


def _execute_at(fragment: Sequence[Token]) -> int | None:
    """Where a dynamic EXECUTE stands in a fragment: at its start, or behind IN, FOR or QUERY."""
    for index, token in enumerate(fragment):
        previous = at(fragment, before(fragment, index))
        if is_word(token, "execute") and (previous is None or is_word(previous, "in", "for", "query")):
            return index
    return None


def _dynamic(fragment: list[Token]) -> list[Token]:
    """EXECUTE expr [INTO …] [USING …]: the text is rewritten when it is known, by rs.rw."""
    index = _execute_at(fragment)
    assert index is not None
    depth, end = 0, len(fragment)
    for position in range(index + 1, len(fragment)):
        token = fragment[position]
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0 and is_word(token, "into", "using"):
            end = position
            break
    expression = compact(rewrite_expressions(fragment[index + 1 : end]))
    rest = rewrite_expressions(fragment[end:])
    return [*rewrite_expressions(fragment[:index]), raw(f"execute rs.rw({expression}) "), *rest]
