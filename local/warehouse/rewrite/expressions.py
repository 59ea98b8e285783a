"""Rules for what stands inside any statement: functions, casts, literals, names of system tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import SYNTAX_ERROR, SqlError, not_emulated, refused
from ..tokens import (
    Kind,
    Token,
    after,
    at,
    before,
    closing,
    compact,
    is_op,
    is_word,
    literal,
    raw,
    significant,
    split,
)
from . import dateparts
from .types import cast_type, type_end
from .windows import FUNCTIONS, ignoring_nulls, nulls_clause, window_behind

# Functions of the schema rs that stand for Redshift's of the same name.
HELPERS = frozenset(
    {"add_months", "avg", "charindex", "concat", "convert_timezone", "date_cmp", "date_part", "date_part_year",
     "date_trunc", "fnv_hash", "getdate", "interval_cmp", "last_day", "len",
     "median", "months_between", "next_day", "pg_last_copy_count", "pg_last_copy_id", "pg_last_query_id",
     "regexp_replace", "regexp_substr", "sha2", "strtol", "timestamp_cmp", "trunc", "version"}
)  # fmt: skip
MORE_HELPERS = frozenset(
    {"bpcharcmp", "bttext_pattern_cmp", "crc32", "date_cmp_timestamp", "date_cmp_timestamptz", "from_hex",
     "from_varbyte", "octetindex", "pg_last_unload_count", "pg_last_unload_id", "regexp_count", "regexp_instr",
     "role_is_member_of", "round", "sha1", "soundex", "difference", "text_to_int_alt", "text_to_numeric_alt",
     "timestamp_cmp_date", "timestamp_cmp_timestamptz", "timestamptz_cmp", "timestamptz_cmp_date",
     "timestamptz_cmp_timestamp", "to_date", "to_hex", "to_timestamp", "to_varbyte", "user_is_member_of"}
)  # fmt: skip
SUPER_FUNCTIONS = frozenset(
    {"json_parse", "can_json_parse", "json_serialize", "json_size", "json_typeof", "is_array", "is_object", "is_scalar",
     "is_varchar", "is_boolean", "is_smallint", "is_integer", "is_bigint", "is_decimal", "is_float", "get_array_length",
     "array_concat", "array_flatten", "array_contains", "subarray", "split_to_array", "is_valid_json",
     "is_valid_json_array", "json_array_length", "json_extract_array_element_text"}
)  # fmt: skip
RENAMED = {
    "nvl": "coalesce", "replicate": "repeat", "dexp": "exp", "dlog1": "ln", "dlog10": "log", "dsqrt": "sqrt",
    "date_add": "dateadd", "date_diff": "datediff", "datepart": "date_part", "sha": "sha1", "func_sha1": "sha1",
    "textlen": "len", "grouping_id": "grouping",
}  # fmt: skip
# A bare string literal as one of their arguments is a timestamp, not PostgreSQL's preferred timestamp with time zone.
_TIMESTAMP_ARGUMENTS = {
    "date_trunc": (1,), "add_months": (0,), "last_day": (0,), "months_between": (0, 1), "next_day": (0,),
    "date_part_year": (0,), "dateadd": (2,), "datediff": (1, 2), "date_part": (1,), "convert_timezone": (1, 2),
}  # fmt: skip
_PART_FIRST = frozenset({"dateadd", "datediff", "date_part"})
_NOT_EMULATED = frozenset(
    {"farmhash64", "murmur3_32_hash", "checksum", "object_transform", "get_number_attributes", "hll",
     "hll_create_sketch", "hll_cardinality", "hll_combine", "getbit", "explain_model", "lambda", "farmfingerprint64",
     "collate", "unnest"}
)  # fmt: skip
_SPATIAL = ("st_", "h3_")
_IN_RS = HELPERS | MORE_HELPERS | SUPER_FUNCTIONS | _PART_FIRST
_BARE = {"sysdate": "rs.sysdate()", "current_user_id": "rs.current_user_id()"}
_NOT_IN_REDSHIFT = {
    "string_agg": "use LISTAGG", "array_agg": "use LISTAGG", "make_date": "use TO_DATE",
    "make_timestamp": "", "make_interval": "", "gen_random_uuid": "", "format": "use || and QUOTE_IDENT, QUOTE_LITERAL",
    "concat_ws": "use ||", "json_build_object": "", "jsonb_build_object": "", "row_to_json": "", "to_jsonb": "",
    "json_agg": "", "jsonb_agg": "", "string_to_array": "", "regexp_matches": "", "regexp_split_to_table": "",
    "date_bin": "", "num_nulls": "", "num_nonnulls": "", "starts_with": "", "width_bucket": "",
}  # fmt: skip
_NAMES_A_TABLE = ("table", "into", "update", "procedure", "function", "call", "view", "exists", "references", "with")

Handled = tuple[list[Token], int] | None


def rewrite_expressions(tokens: Sequence[Token]) -> list[Token]:
    """Apply every rule that looks at a token and its neighbours; the order of the statement's parts is kept."""
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        handled = _handle(tokens, index)
        if handled is None:
            done.append(tokens[index])
            index += 1
        else:
            done.extend(handled[0])
            index = handled[1]
    return done


def _handle(tokens: Sequence[Token], index: int) -> Handled:
    token = tokens[index]
    if is_op(token, "::"):
        return _cast_operator(tokens, index)
    if token.kind is not Kind.WORD:
        return None
    if is_op(at(tokens, after(tokens, index)), "("):
        return _call(tokens, index)
    return _bare_word(tokens, index)


def _cast_operator(tokens: Sequence[Token], index: int) -> Handled:
    start = after(tokens, index)
    if not is_word(at(tokens, start)):
        return None
    end = type_end(tokens, start)
    return [raw("::" + cast_type(tokens[start:end]))], end


def _bare_word(tokens: Sequence[Token], index: int) -> Handled:
    token, previous, following = tokens[index], at(tokens, before(tokens, index)), at(tokens, after(tokens, index))
    if is_op(previous, ".") or is_op(following, "."):
        if token.value == "pg_catalog" and is_op(following, "."):
            return _pg_catalog(tokens, index)
        return None
    if token.value in _BARE and not is_word(previous, "as"):
        return [raw(_BARE[token.value])], index + 1
    if token.value == "approximate" and is_word(following, "count", "percentile_disc"):
        return [], after(tokens, index)
    return None


def _pg_catalog(tokens: Sequence[Token], index: int) -> Handled:
    """`pg_catalog.` before something that lives in rs here is dropped, so that the other rules see it."""
    target = after(tokens, after(tokens, index))
    name = at(tokens, target)
    if name is None or name.value not in HELPERS:
        return None
    handled = _handle(tokens[target:], 0)
    return None if handled is None else (handled[0], handled[1] + target)


def _call(tokens: Sequence[Token], index: int) -> Handled:
    """A word followed by a parenthesis: a function call, unless it names a table or is qualified."""
    previous = at(tokens, before(tokens, index))
    name = RENAMED.get(tokens[index].value, tokens[index].value)
    if is_op(previous, ".") or is_word(previous, *_NAMES_A_TABLE):
        return None
    if name in _NOT_IN_REDSHIFT:
        raise refused(f"function {name}()", _NOT_IN_REDSHIFT[name])
    if name in _NOT_EMULATED or name.startswith(_SPATIAL):
        raise not_emulated(f"function {name.upper()}")
    opening = after(tokens, index)
    end = closing(tokens, opening)
    arguments = split(tokens[opening + 1 : end], ",")
    special = _SPECIAL.get(name)
    if special is not None:
        return special(tokens, end, arguments)
    if name in _IN_RS:
        return _helper(name, arguments), end + 1
    if name != tokens[index].value:
        return [raw(name)], index + 1
    return None


def _helper(name: str, arguments: list[list[Token]]) -> list[Token]:
    for position in _TIMESTAMP_ARGUMENTS.get(name, ()):
        if name == "convert_timezone" and position != len(arguments) - 1:
            continue
        if position < len(arguments) and [t.kind for t in significant(arguments[position])] == [Kind.STRING]:
            arguments[position] = [*arguments[position], raw("::timestamp")]
    if name in _PART_FIRST:
        arguments[0] = _date_part(name, arguments[0])
    return [raw(f"rs.{name}("), *_joined(arguments), raw(")")]


def _date_part(function: str, argument: list[Token]) -> list[Token]:
    """A date part, bare or quoted, becomes a string literal; anything else is computed."""
    kept = significant(argument)
    if len(kept) != 1 or kept[0].kind not in (Kind.WORD, Kind.STRING, Kind.QUOTED):
        return argument
    part = dateparts.canonical(kept[0].value)
    if part is None:
        raise SqlError(f"{kept[0].text} is not a date part that {function.upper()} knows", code="22023")
    return [raw(literal(part))]


def _joined(arguments: list[list[Token]]) -> list[Token]:
    joined: list[Token] = []
    for position, argument in enumerate(arguments):
        joined += [raw(",")] if position else []
        joined += rewrite_expressions(argument)
    return joined


def _text(argument: Sequence[Token]) -> str:
    return compact(rewrite_expressions(argument))


def _nvl2(_: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    if len(arguments) != 3:
        raise SqlError("NVL2 takes three arguments", code=SYNTAX_ERROR)
    tested, present, absent = map(_text, arguments)
    return [raw(f"(case when ({tested}) is not null then {present} else {absent} end)")], end + 1


def _decode(_: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    """DECODE(x, search, result, …, default): here NULL equals NULL."""
    if len(arguments) < 3:
        raise SqlError("DECODE takes an expression and pairs of search and result", code=SYNTAX_ERROR)
    subject, *rest = map(_text, arguments)
    pairs = " ".join(
        f"when ({subject}) is not distinct from ({rest[i]}) then {rest[i + 1]}" for i in range(0, len(rest) - 1, 2)
    )
    default = f" else {rest[-1]}" if len(rest) % 2 else ""
    return [raw(f"(case {pairs}{default} end)")], end + 1


def _convert(_: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    if len(arguments) != 2:
        raise SqlError("CONVERT takes a type and an expression", code=SYNTAX_ERROR)
    return [raw(f"cast({_text(arguments[1])} as {cast_type(arguments[0])})")], end + 1


def _cast(_: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    """CAST(x AS type): the last AS at this level parts the two."""
    tokens = [token for argument in _with_commas(arguments) for token in argument]
    depth, position = 0, None
    for index, token in enumerate(tokens):
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0 and is_word(token, "as"):
            position = index
    if position is None:
        return None
    kind = cast_type(tokens[position + 1 :])
    return [raw(f"cast({_text(tokens[:position])} as {kind})")], end + 1


def _with_commas(arguments: list[list[Token]]) -> list[list[Token]]:
    comma = Token(Kind.OP, ",", ",")
    return [[comma, *argument] if position else argument for position, argument in enumerate(arguments)]


def _within_group(tokens: Sequence[Token], end: int) -> tuple[list[Token] | None, int]:
    """The ORDER BY list of a WITHIN GROUP behind `end`, None without one, and the end of the construct."""
    within = after(tokens, end)
    group = after(tokens, within)
    if not (is_word(at(tokens, within), "within") and is_word(at(tokens, group), "group")):
        return None, end
    opening = after(tokens, group)
    close = closing(tokens, opening)
    order = after(tokens, opening)
    by = after(tokens, order)
    if not (is_word(at(tokens, order), "order") and is_word(at(tokens, by), "by")):
        raise SqlError("WITHIN GROUP needs an ORDER BY", code=SYNTAX_ERROR)
    return list(tokens[by + 1 : close]), close


def _over(tokens: Sequence[Token], end: int) -> tuple[str, int]:
    """The text of an OVER clause behind `end`, empty without one, and the end of the construct."""
    over = after(tokens, end)
    if not is_word(at(tokens, over), "over"):
        return "", end
    window = after(tokens, over)
    close = closing(tokens, window) if is_op(at(tokens, window), "(") else window
    return " over " + _text(tokens[window : close + 1]), close


def _listagg(tokens: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    order, end = _within_group(tokens, end)
    over, end = _over(tokens, end)
    kept = significant(arguments[0])
    distinct = is_word(at(kept, 0), "distinct")
    value = _text(_behind_first(arguments[0]) if distinct else arguments[0])
    delimiter = _text(arguments[1]) if len(arguments) > 1 else "''"
    if over:
        return [raw(_listagg_window(value, delimiter, order, over, distinct))], end + 1
    by = f" order by {_text(order)}" if order else ""
    if distinct and order and _text(order).split()[:1] == [value]:
        by = f" order by ({value})::text{_text(order)[len(value) :]}"
    return [raw(f"rs.listagg(string_agg({'distinct ' if distinct else ''}({value})::text, {delimiter}{by}))")], end + 1


def _listagg_window(value: str, delimiter: str, order: list[Token] | None, over: str, distinct: bool) -> str:
    """LISTAGG(…) WITHIN GROUP (ORDER BY …) OVER (PARTITION BY …): the window has the order, and all of its rows."""
    by = f" order by {_text(order)} rows between unbounded preceding and unbounded following" if order else ""
    window = f"{over.rstrip().removesuffix(')')}{by})"
    if distinct:
        return f"rs.listagg(rs.join_distinct(array_agg(({value})::text){window}, {delimiter}))"
    return f"rs.listagg(string_agg(({value})::text, {delimiter}){window})"


def _behind_first(tokens: Sequence[Token]) -> list[Token]:
    """The tokens behind the first significant one."""
    first = next(index for index, token in enumerate(tokens) if token.kind is not Kind.SPACE)
    return list(tokens[first + 1 :])


def _percentile(function: str) -> Callable[[Sequence[Token], int, list[list[Token]]], Handled]:
    def handle(tokens: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
        order, end = _within_group(tokens, end)
        if order is None:
            raise SqlError(f"{function.upper()} needs WITHIN GROUP (ORDER BY …)", code=SYNTAX_ERROR)
        over, end = _over(tokens, end)
        last = significant(order)[-1]
        descending = "true" if is_word(last, "desc") else "false"
        if is_word(last, "asc", "desc"):
            order = order[: max(index for index, token in enumerate(order) if token is last)]
        fraction, value = _text(arguments[0]), _text(order)
        if function == "percentile_cont" and fraction == "0.5":
            return [raw(f"rs.median({value}){over}")], end + 1
        return [raw(f"rs.{function}(array_agg({value}){over}, ({fraction})::numeric, {descending})")], end + 1

    return handle


def _ratio_to_report(tokens: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    over, end = _over(tokens, end)
    value = _text(arguments[0])
    return [raw(f"(({value})::float8 / nullif(sum({value}){over}, 0)::float8)")], end + 1


def _try_cast(tokens: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    """TRY_CAST(x AS type): NULL where CAST would fail."""
    position = next((i for i in reversed(range(len(arguments[-1]))) if is_word(arguments[-1][i], "as")), None)
    if position is None or len(arguments) != 1:
        raise SqlError("TRY_CAST takes an expression AS a type", code=SYNTAX_ERROR)
    kind = cast_type(arguments[0][position + 1 :])
    return [raw(f"rs.try_cast(({_text(arguments[0][:position])})::text, null::{kind})::{kind}")], end + 1


def _window_function(tokens: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    """FIRST_VALUE, LAG and their like: only IGNORE NULLS needs another form."""
    index = next(i for i in range(end, -1, -1) if is_op(tokens[i], "(") and closing(tokens, i) == end)
    name = tokens[before(tokens, index)].value
    ignores, end = nulls_clause(tokens, end, arguments)
    if not ignores:
        return [raw(f"{name}("), *_joined(arguments), raw(")")], end + 1
    window, end = window_behind(tokens, end, _text)
    return [raw(ignoring_nulls(name, [_text(argument) for argument in arguments], window))], end + 1


def _json_path(_: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    """JSON_EXTRACT_PATH_TEXT(text, path, … [, null_if_invalid])."""
    last = significant(arguments[-1])
    lenient = len(last) == 1 and is_word(last[0], "true")
    kept = arguments[:-1] if len(last) == 1 and is_word(last[0], "true", "false") else arguments
    return [raw(f"rs.json_extract_path_text{'_or_null' if lenient else ''}("), *_joined(kept), raw(")")], end + 1


def _array(_: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    """ARRAY(a, b, …) of SUPER; PostgreSQL's ARRAY(SELECT …) is left to the queries that tools send to the catalogue."""
    if is_word(at(significant(arguments[0]), 0), "select", "with"):
        return None
    return [raw("jsonb_build_array("), *_joined(arguments), raw(")")], end + 1


def _object(_: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    """OBJECT(key, value, …)."""
    return [raw("jsonb_build_object("), *_joined(arguments), raw(")")], end + 1


def _extract(_: Sequence[Token], end: int, arguments: list[list[Token]]) -> Handled:
    """EXTRACT(part FROM x)."""
    kept = significant(arguments[0])
    if len(kept) < 3 or not is_word(kept[1], "from"):
        return None
    part = _date_part("extract", [kept[0]])
    source = arguments[0][max(i for i, token in enumerate(arguments[0]) if token is kept[1]) + 1 :]
    if [token.kind for token in significant(source)] == [Kind.STRING]:
        source = [*source, raw("::timestamp")]
    return [raw(f"rs.extract({part[0].text}, {_text(source)})")], end + 1


_SPECIAL: dict[str, Callable[[Sequence[Token], int, list[list[Token]]], Handled]] = {
    "nvl2": _nvl2,
    "decode": _decode,
    "convert": _convert,
    "cast": _cast,
    "listagg": _listagg,
    "percentile_cont": _percentile("percentile_cont"),
    "percentile_disc": _percentile("percentile_disc"),
    "ratio_to_report": _ratio_to_report,
    "extract": _extract,
    "json_extract_path_text": _json_path,
    "array": _array,
    "try_cast": _try_cast,
    **dict.fromkeys(FUNCTIONS, _window_function),
    "object": _object,
}
