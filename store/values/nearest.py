"""Which of the names there are was meant by one that is not among them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, ratio: float = 0.6) -> str | None:
    """The name most like `name`, whatever its case; None if none is as like as `ratio` (1: the same)."""
    by_lower = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold(), by_lower, n=1, cutoff=ratio)
    return by_lower[near[0]] if near else None
