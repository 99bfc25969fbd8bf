"""Which series a rule is about: those that its `where` includes.

A value is one of a list of texts, or one that a regular expression describes as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rules.values.arrays import Bools, Indices, grown
from store.record import SeriesIndex, dimension_values
from store.values.expressions import expression

ZONE_NAME = "zone_name"
"""The key of `where` that means the zone, and the dimension of an alert that is about one, as the column is named."""
ACCOUNT = "account"
"""The key of `where` that means the account, never a dimension: accounts come from credentials, not from payloads."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The values that a regular expression describes as a whole. Raises ValueError if it is none."""

    text: str

    def __post_init__(self) -> None:
        expression(self.text)

    def __contains__(self, value: str | None) -> bool:
        return value is not None and expression(self.text).fullmatch(value) is not None


Wanted: TypeAlias = AbstractSet[str] | Pattern
Where: TypeAlias = Mapping[str, Wanted]
"""Dimension (or `account`, or `zone_name`) → its allowed values; empty: every series."""


class Selection:
    """The series of one table that `where` includes. A series is decided when it is new, and when zones change."""

    def __init__(self, where: Where, index: SeriesIndex) -> None:
        self._where = {name: wanted for name, wanted in where.items() if name != ACCOUNT}
        self._index = index
        self._included: Bools = np.empty(0, np.bool_)
        self._decided = 0  # for each series below this id
        self._rezoned = index.rezoned

    def grow(self, size: int) -> None:
        """Decide the series below `size`, all of which are in the index."""
        if ZONE_NAME in self._where and self._index.rezoned != self._rezoned:
            self._rezoned = self._index.rezoned
            self._decided = 0
        if not self._where or size <= self._decided:
            return
        self._included = grown(self._included, size, False)
        self._included[self._decided : size] = self._matching(self._decided, size)
        self._decided = size

    def of(self, series: Indices) -> Bools | None:
        """Which of these series are included; None: all are."""
        return self._included[series] if self._where else None

    def _matching(self, start: int, end: int) -> Bools:
        found = np.ones(end - start, np.bool_)
        for name, wanted in self._where.items():
            of_zone = name == ZONE_NAME
            values = self._index.zones[start:end] if of_zone else dimension_values(self._index.keys[start:end], name)
            found &= [value in wanted for value in values]
        return found
