"""Which series have which values of dimensions, as arrays of numbers; of a dimension from the first question on."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from store import layout
from store.catalog.schema import BY_MEASURE_NAME
from store.record import Int32s, Int64s, SeriesIndex, dimension_values

_ABSENT = -1


class Members:
    """The series of an index by their dimensions. Any thread."""

    def __init__(self, index: SeriesIndex) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._numbers: dict[str, _Numbers] = {}

    def selected(self, dimensions: Mapping[str, Collection[str]]) -> Int32s:
        """The ids of the series that have one of these values of each of these dimensions, ascending.

        The name `layout.ZONE` is that of the zone, `BY_MEASURE_NAME` that of the measure name, in all methods.
        """
        count = len(self._index)
        is_in = np.ones(count, np.bool_)
        for name, values in dimensions.items():
            number_of, numbers = self._numbers_of(name, count)
            wanted = [number_of[value] for value in values if value in number_of]
            is_in &= numbers == wanted[0] if len(wanted) == 1 else np.isin(numbers, np.array(wanted, np.int32))
        return np.flatnonzero(is_in).astype(np.int32)

    def groups(self, series: Int32s, names: Sequence[str]) -> tuple[Int64s, list[tuple[str | None, ...]]]:
        """The groups of these series with the same values of these dimensions: the place of each, and their values."""
        count = len(self._index)
        group = np.zeros(len(series), np.int64)
        found: list[tuple[str | None, ...]] = [()] if len(series) else []
        for name in names:
            number_of, numbers = self._numbers_of(name, count)
            values = [*number_of, None]  # in the order of their numbers, so that `_ABSENT` is the last
            own = np.where(numbers[series] == _ABSENT, len(values) - 1, numbers[series])
            pairs, group = np.unique(group * len(values) + own, return_inverse=True)
            found = [(*found[of // len(values)], values[of % len(values)]) for of in pairs.tolist()]
        return group, found

    def _numbers_of(self, name: str, count: int) -> tuple[dict[str, int], Int32s]:
        """The number of each value of a dimension, and for `count` series that of their value."""
        with self._lock:
            numbers = self._numbers.get(name)
            if numbers is None or (name == layout.ZONE and numbers.rezoned != self._index.rezoned):
                numbers = self._numbers[name] = _Numbers(name, self._index.rezoned)
            numbers.extend(self._index, count)
            return numbers.of_values, numbers.of_series[:count]


class _Numbers:
    def __init__(self, name: str, rezoned: int) -> None:
        self._name = name
        self.rezoned = rezoned
        self._known = 0
        self.of_values: dict[str, int] = {}
        self.of_series: Int32s = np.zeros(0, np.int32)

    def extend(self, index: SeriesIndex, count: int) -> None:
        if count <= self._known:
            return
        if count > len(self.of_series):
            grown = np.zeros(max(count, 2 * len(self.of_series)), np.int32)
            grown[: self._known] = self.of_series[: self._known]
            self.of_series = grown
        places = slice(self._known, count)
        numbers, values = self.of_values, _values(index, places, self._name)
        self.of_series[self._known : count] = [
            _ABSENT if value is None else numbers.setdefault(value, len(numbers)) for value in values
        ]
        self._known = count


def _values(index: SeriesIndex, places: slice, name: str) -> Sequence[str | None]:
    """What the series at these places have of a dimension, or as zone or measure name."""
    if name == layout.ZONE:
        return index.zones[places]
    keys = index.keys[places]
    return [key.measure_name for key in keys] if name == BY_MEASURE_NAME else dimension_values(keys, name)
