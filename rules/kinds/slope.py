"""How fast a signal changes over a window, from a fixed number of sums for each signal.

A window is cut into SLOTS slots of event time, each of which keeps the number of its samples and their sums. It
consists of the slot of the newest sample and those before, so it is as long as `over`, or up to one slot shorter. The
rate is

least_squares  the slope of the line through the mean points of the slots, weighted by their numbers
end_to_end     from the mean point of the oldest slot with samples to the newest sample

so that one step of a coarse sensor, or one outlier, moves it by a small part. It is judged once the window is half
full: its oldest sample is at least half of `over` old.

What the slots before the newest one contribute is summed up when that begins, about their mean, so that a sample costs
the same whatever their number, and nothing is lost by cancellation. Cost: 20 bytes a slot and 64 more a signal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules.definition.selection import Selection
from rules.kinds.judging import Ids, Inputs, Judged, OfSeries
from rules.kinds.signals import judged_of
from rules.values.arrays import NEVER, Arrays, Bools, Float64s, Indices, grown, packed, unpacked
from rules.values.samples import Samples, rounds_of
from store.record import Int64s, SeriesIndex

METHODS = ("least_squares", "end_to_end")
SLOTS = 8  # a power of two

_LARGEST = float(np.finfo(np.float64).max)


class _Sums(NamedTuple):
    """The number of samples of a slot of each signal, and their sums."""

    number: npt.NDArray[np.float32]
    time_s: Float64s
    value: Float64s


class SlopeJudge(OfSeries):
    """The rate of change of each signal over a window."""

    version = 1

    def __init__(
        self, measure: str, index: SeriesIndex, over_ns: int, per_ns: int, method: str, *, in_percent: bool
    ) -> None:
        self.subjects = index
        self._measure = measure
        self._over_ns = over_ns
        self._per_ns = per_ns
        self._slot_ns = max(over_ns // SLOTS, 1)
        self._is_fitted = method == "least_squares"
        self._in_percent = in_percent
        self._slot: Int64s = np.empty(0, np.int64)  # the number of the newest slot
        self._first_ns: Int64s = np.empty(0, np.int64)  # of the oldest sample since the last empty window
        self._count = np.empty((0, SLOTS), np.float32)
        self._time_s = np.empty((0, SLOTS))  # sum of times since the begin of the slot
        self._value = np.empty((0, SLOTS))  # sum of values
        self._before = np.empty((8, 0))  # sums of the slots before the newest (`_sum_up`), the same while it lasts

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self._slot = grown(self._slot, size, NEVER)
        self._first_ns = grown(self._first_ns, size, NEVER)
        rows = len(self._slot)
        if rows > len(self._count):
            self._count, self._time_s, self._value = (
                np.concatenate([part, np.zeros((rows - len(part), SLOTS), part.dtype)])
                for part in (self._count, self._time_s, self._value)
            )
            self._before = np.concatenate([self._before, np.zeros((8, rows - self._before.shape[1]))], axis=1)

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The rates of the samples."""
        samples = inputs.samples[self._measure]
        if samples is None or not len(samples):
            return None
        rates, is_full = np.zeros(len(samples)), np.zeros(len(samples), np.bool_)
        for chosen in rounds_of(samples.series) if samples.repeats else (np.arange(len(samples)),):
            rates[chosen], is_full[chosen] = self._take(samples, chosen)
        return judged_of(samples, rates, is_full, selection, too_wide=False)

    def _take(self, samples: Samples, chosen: Indices) -> tuple[Float64s, Bools]:
        """The rates of some samples, one for each of their signals, which are added to the windows."""
        series, time_ns, value = samples.series[chosen], samples.time_ns[chosen], samples.value[chosen]
        slot = time_ns // self._slot_ns
        last = self._slot[series]
        steps = np.where(last == NEVER, SLOTS, slot - np.where(last == NEVER, 0, last))
        if samples.anew is not None:
            steps[samples.anew[chosen]] = SLOTS
        for step in range(1, SLOTS + 1):
            passed = steps >= step
            if not passed.any():
                break
            self._count[series[passed], (slot[passed] - step + 1) % SLOTS] = 0
        moved = steps > 0
        if moved.any():
            self._sum_up(series[moved], slot[moved])
        self._first_ns[series] = np.where(steps >= SLOTS, time_ns, self._first_ns[series])
        self._slot[series] = slot
        point = self._add(series * SLOTS + slot % SLOTS, (time_ns - slot * self._slot_ns) / 1e9, value)
        return self._rates(series, slot, time_ns, value, point)

    def _add(self, at: Indices, since_s: Float64s, value: Float64s) -> _Sums:
        """Add samples to their slots, which are places in the arrays seen as flat; returns what is in these."""
        counts, times_s, values = self._count.reshape(-1), self._time_s.reshape(-1), self._value.reshape(-1)
        count = counts.take(at)
        is_first = count == 0
        time_s, total = (np.where(is_first, 0, part.take(at)) for part in (times_s, values))
        found = _Sums(count + 1, time_s + since_s, total + value)
        counts[at], times_s[at], values[at] = found
        return found

    def _sum_up(self, series: Indices, slot: Int64s) -> None:
        """Make the sums of the slots before the newest one, from all of them."""
        count = self._count[series].astype(np.float64)
        age = ((slot % SLOTS)[:, None] - np.arange(SLOTS)) & (SLOTS - 1)  # as %, which is slow
        count[age == 0] = 0
        some = np.maximum(count, 1)
        at_s = self._time_s[series] / some - age * (self._slot_ns / 1e9)
        mean = self._value[series] / some
        total = count.sum(1)
        level = (count * mean).sum(1) / np.maximum(total, 1)
        oldest = np.arange(len(series)), np.where(count > 0, age, -1).argmax(1)
        beside = mean - level[:, None]
        columns = (total, level, (count * at_s).sum(1), (count * beside).sum(1), (count * at_s * at_s).sum(1))
        sums = (*columns, (count * at_s * beside).sum(1), at_s[oldest], mean[oldest])
        self._before[:, series] = np.stack(sums)

    def _rates(
        self, series: Indices, slot: Int64s, time_ns: Int64s, value: Float64s, newest: _Sums
    ) -> tuple[Float64s, Bools]:
        count, time_s = newest.number.astype(np.float64), newest.time_s
        total, level, sum_t, sum_v, sum_tt, sum_tv = self._before[:6].take(series, axis=1)
        beside = newest.value - count * level
        with np.errstate(all="ignore"):
            all_count, all_v = total + count, sum_v + beside
            if self._is_fitted:
                all_t = sum_t + time_s
                along = sum_tv + time_s * beside / count - all_t * all_v / all_count
                slope = along / (sum_tt + time_s * time_s / count - all_t * all_t / all_count)
            else:
                alone, (oldest_s, oldest) = total == 0, self._before[6:, series]
                from_s = np.where(alone, time_s / count, oldest_s)
                first = np.where(alone, newest.value / count, oldest)
                slope = (value - first) / ((time_ns - slot * self._slot_ns) / 1e9 - from_s)
            rates = slope * (self._per_ns / 1e9)
            if self._in_percent:
                rates *= 100 / np.abs(level + all_v / all_count)
        is_full = (time_ns - self._oldest_ns(series, slot) >= self._over_ns // 2) & ~np.isnan(rates)
        return np.clip(np.where(is_full, rates, 0), -_LARGEST, _LARGEST), is_full

    def _oldest_ns(self, series: Indices, slot: Int64s) -> Int64s:
        """About when the window of each signal begins: its first sample, or the begin of its oldest slot."""
        oldest: Int64s = np.maximum(self._first_ns[series], (slot - SLOTS + 1) * self._slot_ns)
        return oldest

    def snapshot(self) -> Arrays:
        """The windows of all signals that have had a sample."""
        size = len(self.subjects)
        known = np.flatnonzero(self._slot[:size] != NEVER)
        return {
            "series": packed(known, np.uint32),
            "slot": packed(self._slot[known], np.int64),
            "first_ns": packed(self._first_ns[known], np.int64),
            "count": packed(self._count[known], np.float32),
            "time_s": packed(self._time_s[known], np.float64),
            "value": packed(self._value[known], np.float64),
        }

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore saved windows."""
        series = ids.series[unpacked(arrays["series"], np.uint32)]
        self._slot[series] = unpacked(arrays["slot"], np.int64)
        self._first_ns[series] = unpacked(arrays["first_ns"], np.int64)
        self._count[series] = unpacked(arrays["count"], np.float32).reshape(-1, SLOTS)
        self._time_s[series] = unpacked(arrays["time_s"], np.float64).reshape(-1, SLOTS)
        self._value[series] = unpacked(arrays["value"], np.float64).reshape(-1, SLOTS)
        self._sum_up(series, self._slot[series])
