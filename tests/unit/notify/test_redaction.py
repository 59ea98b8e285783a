"""What looks like a credential does not get through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.notify.redaction import MASK, redact

SECRET = st.from_regex(r"[A-Za-z0-9+/=_.!#$%^*-]{8,40}", fullmatch=True)
NAMES = st.sampled_from(
    ["password", "PASSWORD", "client_secret", "access_token", "refresh_token", "aws_secret_access_key", "assertion"]
)
FORMS = st.sampled_from(
    ["{name}={value}", "{name}: {value}", '"{name}": "{value}"', "'{name}': '{value}'", "{name} = {value}"]
)


@given(NAMES, SECRET, FORMS)
def test_named_values_are_masked(name: str, value: str, form: str) -> None:
    text = f"before {form.format(name=name, value=value)} after"
    assert value not in redact(text)
    assert redact(text).startswith("before ") and redact(text).endswith(" after")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-ghi_jkl", f"Authorization: Bearer {MASK}"),
        ("postgresql://etl:s3cr3t@host:5439/dev", f"postgresql://etl:{MASK}@host:5439/dev"),
        ("key AKIAABCDEFGHIJKLMNOP used", f"key {MASK} used"),
        ("jwt eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl end", f"jwt {MASK} end"),
        ("sid 00D5g000004XyZ1!AQ8AQJ1x2y3z4.abc end", f"sid {MASK} end"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY----- rest",
            f"{MASK} rest",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", MASK),
    ],
)
def test_forms(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "s3://data-bucket/emr-logs/j-1/steps/s-1/",
        "rows differ\n  got: 3\n  expected: 4",
        "scheduled__2026-01-06T00:00:00+00:00",
        "http://airflow:8080/dags/x/runs/y",
        "the token bucket is empty",
        "account-20260105-0f3a4b5c6d7e",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=300))
def test_twice_is_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)
