"""Values in messages."""

from __future__ import annotations

_SHOWN = 80


def shown(value: object) -> str:
    """`value` in the form of an error message, limited in length."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
