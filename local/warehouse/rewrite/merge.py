"""MERGE: what Redshift allows of it, and REMOVE DUPLICATES."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SYNTAX_ERROR, SqlError, refused
from ..tokens import Token, after, at, compact, is_name, is_op, is_word, raw, significant
from .ddl import Reader
from .expressions import rewrite_expressions


def rewrite_merge(tokens: Sequence[Token]) -> list[Token]:
    """MERGE INTO target USING source ON … . Raises SqlError for what Redshift does not allow."""
    reader = Reader(tokens)
    reader.accept("merge")
    reader.accept("into")
    target = reader.name()
    if not reader.accept("using"):
        raise _expected("USING behind the target, which has no alias", reader)
    source, alias = _source(reader, target)
    if not reader.accept("on"):
        raise _expected("ON", reader)
    clauses = _clauses(reader)
    condition = compact(rewrite_expressions(reader.tokens[reader.index : clauses]))
    behind = reader.tokens[clauses:]
    if is_word(at(behind, 0), "remove"):
        return [raw(_remove_duplicates(target, source, alias, condition))]
    _check(behind)
    return [raw(f"merge into {target} using {source} on {condition} "), *rewrite_expressions(behind)]


def _expected(what: str, reader: Reader) -> SqlError:
    found = reader.peek()
    near = f"at or near {found.text!r}" if found else "at end of input"
    return SqlError(f"syntax error {near} in MERGE: expected {what}", code=SYNTAX_ERROR)


def _last_part(name: str) -> str:
    return name.rsplit(".", 1)[-1].strip('"').lower()


def _source(reader: Reader, target: str) -> tuple[str, str]:
    """The source with its alias as it shall be written, and the name by which it is known."""
    if is_op(reader.peek(), "("):
        inner = reader.group()
        named = [token.value for token in significant(inner) if is_name(token)]
        if _last_part(target) in named:
            raise SqlError("Source view/subquery in Merge statement cannot reference target table.", code="0A000")
        source = f"({compact(rewrite_expressions(inner))})"
    else:
        source = reader.name()
        if source.lower() == target.lower():
            raise SqlError("Source and target of a MERGE statement cannot be the same table.", code="0A000")
    alias = "" if reader.accept("as") or not is_word(reader.peek(), "on") else _last_part(source)
    if not alias:
        name = reader.take().text
        return f"{source} as {name}", name
    return source, alias


def _clauses(reader: Reader) -> int:
    """Where the condition ends: at WHEN or REMOVE DUPLICATES."""
    depth, cases = 0, 0
    for index in range(reader.index, len(reader.tokens)):
        token = reader.tokens[index]
        depth += is_op(token, "(") - is_op(token, ")")
        cases += is_word(token, "case") - is_word(token, "end")
        if depth or cases:
            continue
        following = at(reader.tokens, after(reader.tokens, index))
        if is_word(token, "when") or (is_word(token, "remove") and is_word(following, "duplicates")):
            return index
    raise SqlError("syntax error at end of input: MERGE needs WHEN clauses or REMOVE DUPLICATES", code=SYNTAX_ERROR)


def _check(clauses: Sequence[Token]) -> None:
    """Raise SqlError unless these are WHEN MATCHED and WHEN NOT MATCHED, without conditions of their own."""
    heads = []
    for index, token in enumerate(clauses):
        negated = after(clauses, index)
        if not is_word(token, "when"):
            continue
        matched = after(clauses, negated) if is_word(at(clauses, negated), "not") else negated
        if not is_word(at(clauses, matched), "matched"):
            continue
        heads.append(negated != matched)
        then = at(clauses, after(clauses, matched))
        if not is_word(then, "then"):
            raise refused(
                f"WHEN … MATCHED {then.text.upper() if then else ''} in MERGE", "put the condition into USING"
            )
    if heads != [False, True]:
        raise SqlError(
            "syntax error in MERGE: expected WHEN MATCHED THEN … WHEN NOT MATCHED THEN …, once each", code=SYNTAX_ERROR
        )


def _remove_duplicates(target: str, source: str, alias: str, condition: str) -> str:
    """Matching rows of the target make place for all rows of the source, unless two of these match one row."""
    return (
        f"with rs_matches as (select count(*) as n from {target} join {source} on ({condition})"
        f" group by {target}.ctid having count(*) > 1),"
        f" rs_deleted as (delete from {target} using {source} where ({condition}))"
        f" insert into {target} select {alias}.* from {source}"
        f" where rs.single_matches((select count(*) from rs_matches))"
    )
