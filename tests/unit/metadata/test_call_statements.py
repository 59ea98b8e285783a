"""The allow-list of configured statements."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.errors import ConfigError
from idiscover.metadata.statements import Call, Parameter, parse_call

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6),
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\\\x00")),
)
SPACE = st.sampled_from(["", " ", "\n", "\t  "])


def written(value: object) -> str:
    """A literal as a person writes it."""
    if isinstance(value, Parameter):
        return f":{value.value}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "TRUE", False: "false"}[value]
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


@given(
    st.sampled_from(["itg", "dm"]), NAMES, st.lists(st.sampled_from(list(Parameter)) | LITERALS, max_size=6), SPACE,
    st.sampled_from(["", ";", " ; "]),
)  # fmt: skip
def test_what_is_written_is_what_is_read(schema: str, name: str, arguments: list[object], space: str, end: str) -> None:
    text = f"{space}CALL {schema}{space}.{name}{space}({f'{space},{space}'.join(map(written, arguments))}{space}){end}"
    call = parse_call(text)
    assert call == Call(schema, name, tuple(arguments))
    assert [type(got) for got in call.arguments] == [type(sent) for sent in arguments]


@given(st.text(max_size=80))
def test_no_text_gets_through_but_a_call(text: str) -> None:
    try:
        call = parse_call(text)
    except ConfigError:
        return
    assert text.strip().lower().startswith("call") and call.schema in {"itg", "dm"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CALL",
        "CALL load_x()",
        "CALL stg.load_x()",
        "CALL pg_catalog.pg_sleep(1)",
        "CALL dm.load_x",
        "CALL dm.load_x(",
        "CALL dm.load_x(:country_code",
        "CALL dm.load_x(:country_code,)",
        "CALL dm.load_x(:country)",
        "CALL dm.load_x(country_code)",
        "CALL dm.load_x(getdate())",
        "CALL dm.load_x(1 + 1)",
        "CALL dm.load_x('a' 'b')",
        "CALL dm.load_x(1e3)",
        "CALL dm.load_x($1)",
        "CALL dm.load_x(%(run_id)s)",
        "CALL dm.load_x('it\\'s')",
        "CALL dm.load_x('open)",
        "CALL dm.Load_X()",
        'CALL dm."load_x"()',
        "CALL dm.load_x() -- comment",
        "CALL dm.load_x() /* comment */",
        "CALL dm.load_x(); CALL dm.load_y()",
        "CALL dm.load_x();;",
        "DELETE FROM dm.x",
        "CALL dm.load_x(::country_code)",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_call(text)
    assert caught.value.got == text
    assert caught.value.remedy


def test_types_of_literals() -> None:
    assert parse_call("call dm.x(1, -2.50, '', 'it''s', Null)").arguments == (1, Decimal("-2.50"), "", "it's", None)
