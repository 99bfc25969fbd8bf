"""Finds the known name that an unknown one probably means. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, ratio: float = 0.6) -> str | None:
    """The name most similar to `name`, ignoring case; None if no similarity is at least `ratio` (1: equal)."""
    by_lower = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold(), by_lower, n=1, cutoff=ratio)
    return by_lower[near[0]] if near else None
