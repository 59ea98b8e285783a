"""What goes wrong with a stack, in words for the person who runs it."""

from __future__ import annotations


class StackError(RuntimeError):
    """A stack cannot be started, found or removed; the message says why, and what to do."""
