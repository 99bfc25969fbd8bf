"""Chooses elements of sequences of text as fast as Python can: it is done for each new series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import TypeAlias

Chosen: TypeAlias = Callable[[Sequence[str]], tuple[str, ...]]


def chooser(places: Iterable[int]) -> Chosen:
    """A function that returns the elements at these places."""
    wanted = tuple(places)
    if len(wanted) > 1:  # with fewer, it does not return a tuple
        return itemgetter(*wanted)
    return lambda values: tuple(values[at] for at in wanted)
