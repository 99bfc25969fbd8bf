"""Which series a rule is about: those that its `where` includes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from rules.arrays import Bools, Indices, grown
from store.record import SeriesIndex, SeriesKey, dimension_values

ACCOUNT = "account"
"""The key of `where` that means the account, never a dimension: accounts come from credentials, not from payloads."""

Where = Mapping[str, AbstractSet[str]]
"""Dimension (or `account`) → its allowed values; empty: every series."""


class Selection:
    """The series of one table that `where` includes. A series is decided once, when it is new."""

    def __init__(self, where: Where, index: SeriesIndex) -> None:
        self._where = {name: wanted for name, wanted in where.items() if name != ACCOUNT}
        self._index = index
        self._included: Bools = np.empty(0, np.bool_)
        self._decided = 0  # for each series below this id

    def grow(self, size: int) -> None:
        """Decide the series below `size`, all of which are in the index."""
        if not self._where or size <= self._decided:
            return
        self._included = grown(self._included, size, False)
        self._included[self._decided : size] = _matching(self._where, self._index.keys[self._decided : size])
        self._decided = size

    def of(self, series: Indices) -> Bools | None:
        """Which of these series are included; None: all are."""
        return self._included[series] if self._where else None


def _matching(where: Where, keys: Sequence[SeriesKey]) -> Bools:
    found = np.ones(len(keys), np.bool_)
    for name, wanted in where.items():
        found &= [value in wanted for value in dimension_values(keys, name)]
    return found
