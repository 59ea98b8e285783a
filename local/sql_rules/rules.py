"""What SQL of this repository has to be beyond sqlfluff's own rules; for Redshift alone, not for PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlfluff.core.parser import BaseSegment
from sqlfluff.core.rules import BaseRule, LintResult, RuleContext
from sqlfluff.core.rules.crawlers import RootOnlyCrawler

_CLOCKS = frozenset({"current_date", "current_time", "current_timestamp", "localtimestamp", "sysdate", "now"})
_PROCEDURE_HEADER = ("Purpose:", "Grain:", "Parameters:", "Call:")
_REASON = re.compile(r"\b(spread|sorted|every node|each node|even|by the key|on every|rows)\b", re.IGNORECASE)


class _WholeFile:
    """Looks at a whole file at once. No rule itself: sqlfluff takes every subclass of its BaseRule for one."""

    config_keywords: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("all", "idiscover")
    crawl_behaviour = RootOnlyCrawler()
    is_fix_compatible = False

    def _eval(self, context: RuleContext) -> list[LintResult]:
        if context.dialect.name != "redshift":
            return []
        return [LintResult(anchor=anchor, description=text) for anchor, text in self.faults(context.segment)]

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """Segments that break the rule, and what is wrong with each."""
        raise NotImplementedError


class Rule_ID01(_WholeFile, BaseRule):
    """An INSERT names its columns: a table may have got another one, and columns of COPY come in another order.

    **Anti-pattern**: `insert into dm.x select …`. **Best practice**: `insert into dm.x (a, b) select …`.
    """

    name = "idiscover.insert_columns"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """INSERTs without a list."""
        for insert in file.recursive_crawl("insert_statement"):
            if insert.get_child("bracketed") is None:
                yield insert, "INSERT without a list of columns."


class Rule_ID02(_WholeFile, BaseRule):
    """No `*` over a table: what it means changes with the table. Columns of a CTE are written out in the statement.

    **Anti-pattern**: `select * from itg.x`. **Best practice**: name the columns.
    """

    name = "idiscover.no_star"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """Stars that stand for columns of a table."""
        written_out = {
            cte.segments[0].raw.strip('"').lower() for cte in file.recursive_crawl("common_table_expression")
        }
        for star in file.recursive_crawl("wildcard_expression"):
            of = star.raw.lower().removesuffix("*").rstrip(".").strip('"')
            if of not in written_out:
                yield star, f"{star.raw} instead of names of columns."


class Rule_ID03(_WholeFile, BaseRule):
    """The header of a procedure says what it is for, its grain, its parameters, and a call that can be run."""

    name = "idiscover.procedure_header"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """Procedures that lack a part of it."""
        for statement, head in _with_heads(file, "create_procedure_statement"):
            missing = [part for part in _PROCEDURE_HEADER if not re.search(rf"^-- {part} +\S", head, re.MULTILINE)]
            if missing:
                yield statement, f"The header lacks {', '.join(f'-- {part}' for part in missing)}."


class Rule_ID04(_WholeFile, BaseRule):
    """The header of a table says its grain, and why it is distributed and sorted as it is."""

    name = "idiscover.table_header"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """Tables that lack one of the two."""
        for statement, head in _with_heads(file, "create_table_statement"):
            if _is_temporary(statement):
                continue
            if not re.search(r"\bgrain: +\S", head, re.IGNORECASE):
                yield statement, "The header lacks the grain: `grain: columns`."
            if not _REASON.search(head):
                yield statement, "The header lacks the reason for distribution and sort key."


class Rule_ID05(_WholeFile, BaseRule):
    """A table that stays has a distribution style and a sort key: Redshift's guess is that of an empty table."""

    name = "idiscover.table_keys"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """Tables that lack one of the two."""
        for statement in file.recursive_crawl("create_table_statement"):
            words = statement.raw.lower()
            missing = [word for word in ("diststyle", "sortkey") if not re.search(rf"\b{word}\b", words)]
            if missing and not _is_temporary(statement):
                yield statement, f"A table without {' and '.join(missing)}."


class Rule_ID06(_WholeFile, BaseRule):
    """No TRUNCATE, no COMMIT, no ROLLBACK: a country is replaced in its caller's transaction, or not at all."""

    name = "idiscover.no_commit"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """Statements that end a transaction."""
        for statement in file.recursive_crawl("truncate_table", "truncate_statement", "transaction_statement"):
            yield statement, f"{statement.raw.split()[0].upper()} ends the caller's transaction."


class Rule_ID07(_WholeFile, BaseRule):
    """A DELETE says which rows: only the slice is replaced."""

    name = "idiscover.delete_slice"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """DELETEs without WHERE."""
        for delete in file.recursive_crawl("delete_statement"):
            if delete.get_child("where_clause") is None:
                yield delete, "DELETE without WHERE."


class Rule_ID08(_WholeFile, BaseRule):
    """No wall clock but for `_loaded_at_utc`: the order date is a parameter, so that a day can be run again.

    **Anti-pattern**: `where month > getdate()`. **Best practice**: `where month > p_as_of_date`. `getdate()` may stand
    alone in a list of columns or values.
    """

    name = "idiscover.no_wall_clock"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """Clocks that rows depend on."""
        alone = {
            id(leaf)
            for element in file.recursive_crawl("select_clause_element", "set_clause")
            if re.fullmatch(r"(?:_\w+_at_utc\s*=\s*)?getdate\(\)(?:\s+as\s+\w+)?", element.raw.strip(), re.IGNORECASE)
            for leaf in element.raw_segments
        }
        for row in file.recursive_crawl("values_clause"):
            for bracket in row.recursive_crawl("bracketed", recurse_into=False):
                values = [value for value in bracket.segments if value.raw.lower() == "getdate()"]
                alone |= {id(leaf) for value in values for leaf in value.raw_segments}
        for leaf in file.raw_segments:
            word = leaf.raw.lower()
            if word in _CLOCKS and not leaf.is_type("comment", "quoted_literal"):
                yield leaf, f"{leaf.raw} instead of p_as_of_date."
            if word == "getdate" and id(leaf) not in alone:
                yield leaf, "getdate() in an expression: only _loaded_at_utc has the wall clock."


class Rule_ID09(_WholeFile, BaseRule):
    """No tables with commas between them: a join without a condition is a CROSS JOIN, and says so."""

    name = "idiscover.no_comma_join"

    def faults(self, file: BaseSegment) -> Iterator[tuple[BaseSegment, str]]:
        """FROMs with a comma."""
        for clause in file.recursive_crawl("from_clause"):
            if len(clause.get_children("from_expression")) > 1:
                yield clause, "Tables with a comma between them, instead of JOIN … ON or CROSS JOIN."


RULES: list[type[BaseRule]] = [
    Rule_ID01, Rule_ID02, Rule_ID03, Rule_ID04, Rule_ID05, Rule_ID06, Rule_ID07, Rule_ID08, Rule_ID09,
]  # fmt: skip


def _with_heads(file: BaseSegment, kind: str) -> Iterator[tuple[BaseSegment, str]]:
    """Each statement of a kind, and the comments between the one before and it."""
    head = ""
    for segment in file.segments:
        if segment.is_type("statement"):
            for found in segment.recursive_crawl(kind):
                yield found, head
            head = ""
        else:
            head += segment.raw


def _is_temporary(statement: BaseSegment) -> bool:
    return re.match(r"create\s+(?:local\s+)?temp", statement.raw, re.IGNORECASE) is not None
