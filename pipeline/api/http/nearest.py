"""Suggestions for an unknown name."""

from __future__ import annotations

from collections.abc import Iterable

from store.values.nearest import nearest as nearest_of


def nearest(name: str, known: Iterable[str]) -> str:
    """The similar names, as the end of a sentence; all names if none is similar."""
    names = sorted(known)
    near = nearest_of(name, names)
    if near:
        return f"did you mean {near}?"
    return f"there are {', '.join(names)}" if names else "there are none here"
