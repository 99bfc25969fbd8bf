"""Which rows of a batch are samples, and what came before each: the newest sample of every signal of one measure.

A *signal* is one measure of one series. A sample not later than the newest of its signal is not a sample to rules: that
is what makes a repeated message, or a replay over state that has seen it, change nothing. A value that is null, NaN or
infinite is no sample either. Signals are kept in arrays over series ids, so a batch costs a dozen passes of numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from store.record import Int64s

Float64s: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]
Bools: TypeAlias = npt.NDArray[np.bool_]

Scalar = TypeVar("Scalar", bound=np.generic)

NEVER = int(np.iinfo(np.int64).min)
"""The time of a signal that has had no sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of one measure, those of each signal in log order, each later than the one before. All of one length.

    row                its row in the batch
    series             the signal's series id
    time_ns, value     the sample
    before_ns, before  the sample of the same signal before it; NEVER and NaN if it is the first
    repeats            whether a signal may be in it more than once
    """

    row: Indices
    series: Indices
    time_ns: Int64s
    value: Float64s
    before_ns: Int64s
    before: Float64s
    repeats: bool

    def __len__(self) -> int:
        return len(self.row)


class Signals:
    """The newest sample of every signal of one measure of one table."""

    def __init__(self) -> None:
        self.time_ns: Int64s = np.empty(0, np.int64)
        self.value: Float64s = np.empty(0, np.float64)

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self.time_ns = grown(self.time_ns, size, NEVER)
        self.value = grown(self.value, size, np.nan)

    def take_in(self, row: Indices, series: Indices, time_ns: Int64s, value: Float64s, *, repeats: bool) -> Samples:
        """The samples among these rows (in log order, values finite), remembered as the newest of their signals."""
        fresh = time_ns > self.time_ns[series]
        if not fresh.all():
            row, series, time_ns, value = row[fresh], series[fresh], time_ns[fresh], value[fresh]
        if repeats:
            return self._take_in_repeats(row, series, time_ns, value)
        samples = Samples(row, series, time_ns, value, self.time_ns[series], self.value[series], repeats=False)
        self.time_ns[series] = time_ns
        self.value[series] = value
        return samples

    def _take_in_repeats(self, row: Indices, series: Indices, time_ns: Int64s, value: Float64s) -> Samples:
        """The same where a signal may occur several times: in parts, one a signal, each in log order."""
        order = np.argsort(series, kind="stable")
        order = order[_record_highs(series[order], time_ns[order])]
        series, time_ns, value = series[order], time_ns[order], value[order]
        first = np.ones(len(order), np.bool_)
        first[1:] = series[1:] != series[:-1]
        last = np.ones(len(order), np.bool_)
        last[:-1] = first[1:]
        before_ns, before = np.roll(time_ns, 1), np.roll(value, 1)
        before_ns[first] = self.time_ns[series[first]]
        before[first] = self.value[series[first]]
        self.time_ns[series[last]] = time_ns[last]
        self.value[series[last]] = value[last]
        return Samples(row[order], series, time_ns, value, before_ns, before, repeats=True)


def _record_highs(series: Indices, time_ns: Int64s) -> Bools:
    """Which rows are later than all rows of the same series before them; equal series stand together.

    Times are replaced by their ranks, raised by the number of ranks with each new series, so that one running maximum
    over everything starts anew with each series.
    """
    if not len(series):
        return np.zeros(0, np.bool_)
    times, rank = np.unique(time_ns, return_inverse=True)
    part = np.zeros(len(series), np.int64)
    np.cumsum(series[1:] != series[:-1], out=part[1:])
    height = part * len(times) + rank
    high = np.ones(len(series), np.bool_)
    high[1:] = height[1:] > np.maximum.accumulate(height)[:-1]
    return high


def grown(array: npt.NDArray[Scalar], size: int, fill: float) -> npt.NDArray[Scalar]:
    """`array` with room for `size` elements, new ones being `fill`; with some to spare, so that growing is rare."""
    if len(array) >= size:
        return array
    larger = np.full(size + size // 4 + 16, fill, array.dtype)
    larger[: len(array)] = array
    return larger
