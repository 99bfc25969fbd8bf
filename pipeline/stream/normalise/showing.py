"""A value as messages show it."""

from __future__ import annotations

_SHOWN = 80


def shown(value: object) -> str:
    """`value` as an error message shows it: not for ever."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
