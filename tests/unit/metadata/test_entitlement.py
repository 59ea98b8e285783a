"""context/<environment>.entitlement.csv: who may see which country."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pytest
from idiscover.errors import ConfigError
from idiscover.metadata.entitlement import Entitlement, entitlement_path, parse_entitlements

from tests.unit.metadata_samples import REPOSITORY

HEAD = "user_name,country_code\n"


def test_rows_are_read_in_their_order_and_names_in_lower_case() -> None:
    text = f'\ufeff{HEAD}Ada@Example.com,*\n\n"o\'neil, bo",DE\nbo,ZZ\nbo,XK\n'
    assert parse_entitlements(text, "f") == (
        Entitlement("ada@example.com", "*"),
        Entitlement("o'neil, bo", "DE"),
        Entitlement("bo", "ZZ"),
        Entitlement("bo", "XK"),
    )
    assert parse_entitlements(HEAD, "f") == ()


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_may_end_as_on_other_systems(end: str) -> None:
    text = f"{HEAD}ada,DE\nbo,FR\n".replace("\n", end)
    assert parse_entitlements(text, "f") == (Entitlement("ada", "DE"), Entitlement("bo", "FR"))


@pytest.fixture
def field_limit() -> Iterator[None]:
    """The module csv has one limit for the whole process, which others set as they need it."""
    standing = csv.field_size_limit(1000)
    yield
    csv.field_size_limit(standing)


@pytest.mark.usefixtures("field_limit")
@pytest.mark.parametrize(
    ("text", "place", "got"),
    [
        ("", "f:1", ""),
        ("user_name;country_code\n", "f:1", "user_name;country_code"),
        (f"{HEAD}ada,DE\nada\n", "f:3", "1 columns"),
        (f"{HEAD}ada,DE,FR\n", "f:2", "3 columns"),
        (f"{HEAD},DE\n", "f:2", "0 bytes"),
        (f"{HEAD}{'ä' * 161},DE\n", "f:2", "322 bytes"),
        (f"{HEAD}ada,de\n", "f:2", "de"),
        (f"{HEAD}ada,DEU\n", "f:2", "DEU"),
        (f"{HEAD}ada,DE\nbo,FR\nADA,DE\n", "f:4", "DE"),
        ("ada@example.com,DE\n", "f:1", "a row of a person"),
        (f"{HEAD}ada,DE\n\u200bbo,FR\n", "f:3", "U+200B at position 1"),
        (f"{HEAD}a\x00da,DE\n", "f:2", "U+0000 at position 2"),
        (f'{HEAD}"ada,DE\nbo,FR\n', "f:3", "unexpected end of data"),
        (f'{HEAD}"a"da,DE\n', "f:2", "',' expected after '\"'"),
        (f"{HEAD}{'a' * 1001},DE\n", "f:2", "field larger than field limit (1000)"),
    ],
)
def test_the_line_that_is_wrong_is_named(text: str, place: str, got: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_entitlements(text, "f")
    assert (caught.value.where, caught.value.got) == (place, got)


@pytest.mark.parametrize("context", sorted(path.name for path in (REPOSITORY / "context").glob("*.yaml")))
def test_every_environment_has_a_sound_file(context: str) -> None:
    path = REPOSITORY / entitlement_path(f"context/{context}")
    parse_entitlements(path.read_text(encoding="utf-8"), str(path))
