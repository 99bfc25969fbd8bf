"""`season`: a value that is unusual at this time of the day.

What it is   z = |x - expected| / scale. Expected is the slow level (600 values), and, if that has lowered the
             distances by a fifth, the usual distance from it at this time of the day: 24 bins of local
             time, with straight lines between their middles.
Fails        on other periods than the day, so on weekends that differ; in its first days; on a phase that wanders.
Range        0 to 1e6, in units of the mean absolute distance.
Warm-up      12 values for the level, a day for the bins.
Cost         116 bytes a series.
Source       Taylor and Letham, "Forecasting at scale", 2018, of level and season as a sum; with bins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rules.detectors.detector import COUNT, FIRST, Habits, Step, clipped, in_units, mean_of, rate
from rules.detectors.state import Field, Kept
from rules.values.arrays import Bools, Float64s, Indices

HOUR_NS = 3600 * 10**9
BINS = 24
BETTER = 0.8
DAYS = 7


class _Time(NamedTuple):
    """Between which bins a time is, and how far (0 to 1) from the first one."""

    low: Indices
    high: Indices
    part: Float64s


class Seasonal:
    """How far a value is from what is usual at this time."""

    name = "season"
    habits = Habits()
    fields = (
        Field("level", dtype="<f8"),
        Field("scale"),
        COUNT,
        Field("day", BINS, fill=np.nan),
        Field("day_scale"),
        Field("day_count", dtype="<u2"),
    )

    def __init__(self, length: float = 600) -> None:
        self._length = length

    def expected(self, kept: Kept, step: Step) -> tuple[Float64s, Float64s]:
        """What is expected, and the usual distance from it."""
        by_day, is_known = self._by_day(kept, self._time(step))
        is_better = is_known & (kept["day_count"] > FIRST) & (kept["day_scale"] < BETTER * kept["scale"])
        expected = np.where(is_better, by_day, kept["level"])
        return expected, np.where(is_better, kept["day_scale"], kept["scale"])

    def score(self, kept: Kept, step: Step) -> Float64s:
        """In units of the usual distance."""
        expected, scale = self.expected(kept, step)
        return np.where(kept["count"] < FIRST, np.nan, in_units(step.value - expected, scale, kept["level"]))

    def learn(self, kept: Kept, step: Step, trust: Float64s) -> None:
        """With trust."""
        level, scale, count = kept["level"], kept["scale"], kept["count"]
        weight = trust * rate(count, self._length)
        distance = clipped(step.value - level, scale, count)
        self._learn_day(kept, step, trust)
        kept["level"] = np.where(count == 0, step.value, level + weight * distance)
        kept["scale"] = mean_of(scale, np.abs(distance), weight, count)
        kept["count"] = count + 1

    def _learn_day(self, kept: Kept, step: Step, trust: Float64s) -> None:
        time = self._time(step)
        by_day, is_known = self._by_day(kept, time)
        scale, count = kept["day_scale"], kept["day_count"]
        distance = clipped(step.value - np.where(is_known, by_day, step.value), scale, count)
        weight = trust * rate(count, self._length)
        learnt = np.where(count == 0, np.abs(distance), scale + weight * (np.abs(distance) - scale))
        kept["day_scale"] = np.where(is_known, learnt, scale)
        kept["day_count"] = count + is_known
        rows, place = np.arange(len(step)), np.where(time.part < 0.5, time.low, time.high)
        before, apart = kept["day"][rows, place], np.where(kept["count"] == 0, 0.0, step.value - kept["level"])
        # a bin has had about a 24th of all values; so one value weighs the same however many there are in an hour
        pace = trust / (1 + np.minimum(kept["count"] / BINS, 12 * DAYS))
        moved = before + pace * np.where(is_known, distance, apart - before)
        kept["day"][rows, place] = np.where(np.isnan(before), apart, moved)

    def _time(self, step: Step) -> _Time:
        place = step.local_ns / HOUR_NS - 0.5
        low = np.floor(place).astype(np.intp)
        return _Time(low % BINS, (low + 1) % BINS, place - low)

    def _by_day(self, kept: Kept, time: _Time) -> tuple[Float64s, Bools]:
        rows, day = np.arange(len(time.low)), kept["day"]
        low, high = day[rows, time.low], day[rows, time.high]
        is_known: Bools = ~(np.isnan(low) | np.isnan(high))
        return kept["level"] + low * (1 - time.part) + high * time.part, is_known
