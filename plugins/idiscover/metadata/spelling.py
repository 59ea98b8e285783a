"""What somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ALIKE = 0.6  # difflib's ratio, from which two names pass for one with a slip


def nearest(written: object, known: Iterable[str]) -> str | None:
    """The known name that is most like what was written, whatever its case; None if none is like it."""
    if not isinstance(written, str):
        return None
    by_lower = {name.lower(): name for name in sorted(known, reverse=True)}
    by_lower.pop("", None)
    found = difflib.get_close_matches(written.lower(), sorted(by_lower), n=1, cutoff=_ALIKE)
    return by_lower[found[0]] if found and by_lower[found[0]] != written else None
