"""What somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

_ALIKE = 0.6  # difflib's ratio, from which two names pass for one with a slip


def nearest(written: object, known: Iterable[str]) -> str | None:
    """The known name that is most like what was written, whatever its case; None if none is like it.

    Of two qualified names of one schema, what follows the schema is compared.
    """
    if not isinstance(written, str):
        return None
    found = max(sorted(known), key=lambda name: _likeness(written, name), default=None)
    return found if found is not None and found != written and _likeness(written, found) >= _ALIKE else None


def _likeness(written: str, name: str) -> float:
    schema = written[: written.rfind(".") + 1]
    if schema and name.startswith(schema):
        written, name = written.removeprefix(schema), name.removeprefix(schema)
    return SequenceMatcher(None, written.lower(), name.lower()).ratio() if name else 0.0
