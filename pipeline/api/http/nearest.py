"""What may have been meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable

from store.values.nearest import nearest as nearest_of


def nearest(name: str, known: Iterable[str]) -> str:
    """What may have been meant, as the end of a sentence; all there are where nothing is near."""
    names = sorted(known)
    near = nearest_of(name, names)
    if near:
        return f"did you mean {near}?"
    return f"there are {', '.join(names)}" if names else "there are none here"
