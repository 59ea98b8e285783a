"""The tokenizer: nothing is lost, and strings, comments and dollar quotes hide what is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.warehouse.errors import SqlError
from local.warehouse.tokens import Kind, literal, render, split, tokenize, unescape

PIECES = st.sampled_from(
    ["select", " ", "\n", "-- c;'\n", "/* a /* b; */ ' */", "'it''s; \\' x'", "E'\\n'", '"a;b"', "$$ ; ' $$",
     "$t$ $$ $t$",
     "1.5e3",
     "1..10", "$1", "#tmp", "::", ":=", "<=", "(", ")", ";", "ünï", "a$b", "||", "->>", "%"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30))
def test_the_tokens_joined_are_the_text(pieces: list[str]) -> None:
    text = " ".join(pieces)
    tokens = tokenize(text)
    assert render(tokens).replace('"#tmp"', "#tmp") == text


def test_semicolons_in_strings_comments_and_bodies_part_nothing() -> None:
    text = "select ';' -- ;\n; /* ; */ select $$ ; $$, \"a;b\" ; select 'a\\';b'"
    assert len(split(tokenize(text), ";")) == 3


@pytest.mark.parametrize("text", ["select 'a", 'select "a', "select $$ a", "select /* a /* b */", "select 'a\\'"])
def test_what_is_not_ended_is_a_syntax_error(text: str) -> None:
    with pytest.raises(SqlError) as caught:
        tokenize(text)
    assert caught.value.code == "42601"


def test_identifiers_fold_to_lower_case_quoted_ones_too() -> None:
    assert [token.text for token in tokenize('"Foo" #Bar "ÄB"')][::2] == ['"foo"', '"#bar"', '"Äb"']


def test_backslashes_are_escapes_in_ordinary_strings() -> None:
    assert unescape("'a\\n\\\\''\\101'") == "a\n\\'A"
    assert unescape("'\\N'", keep_unknown=True) == "\\N"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_literal_is_read_back_as_it_was(value: str) -> None:
    (token,) = tokenize(literal(value))
    assert token.kind is Kind.STRING
    assert token.value == value
