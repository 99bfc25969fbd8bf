"""Which rows of a batch are samples, and the previous sample of each: the newest sample of every signal of one measure.

A *signal* is one measure of one series. A row that is not later than the newest sample of its signal is not a sample:
so a repeated message, or a replay over state that has seen it, changes nothing. A value that is null, NaN or infinite
is not a sample either. Signals are arrays over series ids, so a batch takes a dozen passes of numpy.

A sample ahead of its time must not silence later ones (`rules.values.ahead`); only signals with such samples are
processed sample by sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rules.values.ahead import Marks, latest_sound_ns
from rules.values.arrays import NEVER, Bools, Float64s, Indices, grown
from store.record import Int64s


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of one measure, those of each signal in log order, each later than the previous one. All of one length.

    row                its row in the batch
    series             the signal's series id
    time_ns, value     the sample
    before_ns, before  the previous sample of the same signal; NEVER and NaN if it is the first, or restarts the signal
    repeats            whether a signal may occur more than once
    anew               which of them restart their signal, being *not* later than the previous one; None: none
    """

    row: Indices
    series: Indices
    time_ns: Int64s
    value: Float64s
    before_ns: Int64s
    before: Float64s
    repeats: bool
    anew: Bools | None = None

    def __len__(self) -> int:
        return len(self.row)

    def of(self, chosen: Bools) -> Samples:
        """The chosen samples; each still knows the one before it."""
        return Samples(
            self.row[chosen],
            self.series[chosen],
            self.time_ns[chosen],
            self.value[chosen],
            self.before_ns[chosen],
            self.before[chosen],
            self.repeats,
            None if self.anew is None else self.anew[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of a batch in log order that have a finite value. Arrays of equal length."""

    row: Indices
    series: Indices
    time_ns: Int64s
    arrival_ns: Int64s
    value: Float64s

    def __len__(self) -> int:
        return len(self.row)

    def of(self, chosen: Bools | Indices) -> Rows:
        """The chosen rows."""
        return Rows(
            self.row[chosen],
            self.series[chosen],
            self.time_ns[chosen],
            self.arrival_ns[chosen],
            self.value[chosen],
        )


class Signals:
    """The newest sample of every signal of one measure of one table."""

    def __init__(self) -> None:
        self.time_ns: Int64s = np.empty(0, np.int64)
        self.value: Float64s = np.empty(0, np.float64)
        self.marks = Marks()

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self.time_ns = grown(self.time_ns, size, NEVER)
        self.value = grown(self.value, size, np.nan)
        self.marks.grow(size)

    def take_in(self, rows: Rows, *, repeats: bool, again: bool = False) -> Samples:
        """The samples among these rows, which become the newest of their signals.

        repeats: a signal may occur more than once. again: the rows are of replayed dead letters.
        """
        odd = self._odd(rows, repeats=repeats)
        if odd is None:
            return self._take_in_order(rows, repeats=repeats)
        usual = self._take_in_order(rows.of(~odd), repeats=repeats)
        return _joined(usual, self._take_one_by_one(rows.of(odd), repeats=repeats, again=again))

    def _odd(self, rows: Rows, *, repeats: bool) -> Bools | None:
        """The rows of signals with a sample ahead of its time, earlier or now; None: there are none."""
        if not len(rows):
            return None
        newest = self.time_ns[rows.series]
        late_ns = latest_sound_ns(rows.arrival_ns)
        if not self.marks.some and max(rows.time_ns.max(), newest.max()) <= late_ns.min():
            return None  # in most cases
        odd: Bools = (rows.time_ns > late_ns) | (newest > late_ns) | self.marks.has(rows.series)
        if repeats:
            order = np.argsort(rows.series, kind="stable")
            odd[order] |= highest_before(rows.series[order], rows.time_ns[order]) > late_ns[order]
            odd = np.isin(rows.series, rows.series[odd])
        return odd if odd.any() else None

    def _take_in_order(self, rows: Rows, *, repeats: bool) -> Samples:
        fresh = rows.time_ns > self.time_ns[rows.series]
        if not fresh.all():
            rows = rows.of(fresh)
        if repeats:
            return self._take_in_repeats(rows)
        series = rows.series
        before_ns, before = self.time_ns[series], self.value[series]
        self.time_ns[series] = rows.time_ns
        self.value[series] = rows.value
        return Samples(rows.row, series, rows.time_ns, rows.value, before_ns, before, repeats=False)

    def _take_in_repeats(self, rows: Rows) -> Samples:
        """The same if a signal may occur several times: in parts with one row per signal, each in log order."""
        order = np.argsort(rows.series, kind="stable")
        order = order[rows.time_ns[order] > highest_before(rows.series[order], rows.time_ns[order])]
        series, time_ns, value = rows.series[order], rows.time_ns[order], rows.value[order]
        first = np.ones(len(order), np.bool_)
        first[1:] = series[1:] != series[:-1]
        last = np.ones(len(order), np.bool_)
        last[:-1] = first[1:]
        before_ns, before = np.roll(time_ns, 1), np.roll(value, 1)
        before_ns[first] = self.time_ns[series[first]]
        before[first] = self.value[series[first]]
        self.time_ns[series[last]] = time_ns[last]
        self.value[series[last]] = value[last]
        return Samples(rows.row[order], series, time_ns, value, before_ns, before, repeats=True)

    def _take_one_by_one(self, rows: Rows, *, repeats: bool, again: bool) -> Samples:
        """The same for signals with a sample ahead of its time: in rounds with one row per signal."""
        rounds = rounds_of(rows.series) if repeats else [np.arange(len(rows))]
        taken = [self._take_round(rows.of(chosen), repeats=repeats, again=again) for chosen in rounds]
        self.marks.recount()
        samples = taken[0]
        return samples if len(taken) == 1 else _joined(*taken)

    def _take_round(self, rows: Rows, *, repeats: bool, again: bool) -> Samples:
        newest_ns = self.time_ns[rows.series]
        rows = rows.of(self.marks.pass_by(newest_ns, rows.series, rows.time_ns, rows.arrival_ns, again=again))
        series = rows.series
        before_ns, before = self.time_ns[series], self.value[series]
        anew = rows.time_ns <= before_ns
        before_ns[anew], before[anew] = NEVER, np.nan
        self.time_ns[series] = rows.time_ns
        self.value[series] = rows.value
        return Samples(rows.row, series, rows.time_ns, rows.value, before_ns, before, repeats, anew)


def _joined(*parts: Samples) -> Samples:
    anew = [np.zeros(len(part), np.bool_) if part.anew is None else part.anew for part in parts]
    return Samples(
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.time_ns for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.before_ns for part in parts]),
        np.concatenate([part.before for part in parts]),
        any(part.repeats for part in parts),
        np.concatenate(anew),
    )


def rounds_of(series: Indices) -> list[Indices]:
    """The positions of the first occurrence of each series, of the second one, and so on."""
    order = np.argsort(series, kind="stable")
    first = np.ones(len(order), np.bool_)
    first[1:] = series[order][1:] != series[order][:-1]
    place = np.arange(len(order))
    nth = place - np.maximum.accumulate(np.where(first, place, 0))
    by_round = np.argsort(nth, kind="stable")
    return np.split(order[by_round], np.cumsum(np.bincount(nth))[:-1])


def highest_before(series: Indices, time_ns: Int64s) -> Int64s:
    """The latest time of the earlier rows of the same series; NEVER if there is none. Rows of a series are adjacent.

    Times are replaced by their ranks, plus the number of ranks for each new series, so that a single running maximum
    over all rows restarts with each series.
    """
    highest = np.full(len(series), NEVER, np.int64)
    if not len(series):
        return highest
    times, rank = np.unique(time_ns, return_inverse=True)
    part = np.zeros(len(series), np.int64)
    np.cumsum(series[1:] != series[:-1], out=part[1:])
    height = np.maximum.accumulate(part * len(times) + rank)
    same = part[1:] == part[:-1]
    highest[1:][same] = times[height[:-1][same] % len(times)]
    return highest
