"""Keeps credentials out of text that people are sent.

Reasons of failures come from other systems, and some of them repeat what they were called with.
"""

from __future__ import annotations

import re

MASK = "***"

_SECRET_NAMES = (
    r"password|passwd|pwd|secret|client_secret|secret_access_key|aws_secret_access_key|access_token|"
    r"refresh_token|session_token|aws_session_token|assertion|api_key|private_key|token|sessionid"
)
_QUOTED_OR_WORD = r"""("[^"]*"|'[^']*'|[^\s,;&"'}\]]+)"""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=!-]{6,}"), rf"\1 {MASK}"),
    (re.compile(rf"""(?i)(["']?\b(?:{_SECRET_NAMES})\b["']?\s*[:=]\s*){_QUOTED_OR_WORD}"""), rf"\1{MASK}"),
    # tried at the first letter of a word only: a long reason is one word at times
    (re.compile(r"(?i)(?<![a-z0-9+.-])([a-z0-9+.-]+://[^\s:/@]+:)[^\s@/]+@"), rf"\1{MASK}@"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"), MASK),
    (re.compile(r"\b00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{10,}"), MASK),
)


SHOWN_LENGTH = 80  # characters of a value that are shown


def shown_value(value: str) -> str:
    """A value of data in quotes, on one line: redacted, cut, and with whatever does not print escaped."""
    text = redact(value)
    cut = "" if len(text) <= SHOWN_LENGTH else f" … ({len(text)} characters)"
    letters = (letter if letter.isprintable() else _escaped(letter) for letter in text[:SHOWN_LENGTH])
    return f'"{"".join(letters)}"{cut}'


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def redact(text: str) -> str:
    """`text` with everything that looks like a credential replaced by `***`.

    Covers named values (`password=…`, `"client_secret": "…"`), authorization headers, passwords in
    URLs, AWS access keys, JSON web tokens, Salesforce session ids and PEM private keys.
    """
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
