"""`flatline`: a signal that does not move, as of a sensor that hangs or a probe that fell off.

    flatline: {after: 30m}                    the same value for longer than this
    flatline: {after: 30m, epsilon: 0.2}      or all of its values within 0.2 of each other
    flatline: {after: auto}                   longer than 10 times its longest run so far

A *run* is a stretch of successive samples whose values differ by at most `epsilon`; the first one that differs more
begins the next run. The value of a sample is how long its run lasts, in seconds. With `auto` it is how many times the
longest usual run that is: the longest completed run of the signal, up to the sample that ended it, which is forgotten
by 1 % with each run, so that a signal whose habits change is learnt again; nothing is judged before 20 runs. Silence is
not seen: equal samples before and after it are one run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from rules.definition.bounds import Bounds
from rules.definition.document import Problems
from rules.definition.keys import NUMBER, SPAN, Form, Key, Section
from rules.definition.selection import Selection
from rules.kinds.judging import Ids, Inputs, Judge, Judged, OfSeries
from rules.kinds.kind import Kind, OnMeasure
from rules.kinds.signals import judged_of
from rules.values.arrays import NEVER, Arrays, Bools, Float64s, Indices, grown, packed, unpacked
from rules.values.samples import Samples, rounds_of
from store.record import Int64s, SeriesIndex
from store.values.durations import duration_ns
from store.values.yaml_text import Node, ScalarNode

AUTO = "auto"
AUTO_TIMES = 10
AUTO_RUNS = 20
_FORGOTTEN = 0.01


@dataclass(frozen=True, slots=True)
class Flatline(OnMeasure):
    """How long a run may be. after: None: learnt."""

    after: timedelta | None
    epsilon: float = 0.0

    @property
    def bounds(self) -> Bounds:
        """Of seconds, or of times the longest usual run."""
        return Bounds(max=AUTO_TIMES if self.after is None else self.after.total_seconds())

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything."""
        return "flatline", None if self.after is None else duration_ns(self.after), self.epsilon

    def build(self, measure: str, index: SeriesIndex) -> Judge:
        """A judge that keeps the run of each signal."""
        return FlatlineJudge(measure, index, self.epsilon, learns=self.after is None)


class FlatlineJudge(OfSeries):
    """How long each signal has not moved."""

    version = 1

    def __init__(self, measure: str, index: SeriesIndex, epsilon: float, *, learns: bool) -> None:
        self.subjects = index
        self._measure = measure
        self._epsilon = epsilon
        self._learns = learns
        self._since_ns: Int64s = np.empty(0, np.int64)  # the first sample of the run
        self._low: Float64s = np.empty(0, np.float64)
        self._high: Float64s = np.empty(0, np.float64)
        self._usual_s: Float64s = np.empty(0, np.float64)
        self._runs: npt.NDArray[np.int32] = np.empty(0, np.int32)

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self._since_ns = grown(self._since_ns, size, NEVER)
        self._low = grown(self._low, size, np.nan)
        self._high = grown(self._high, size, np.nan)
        if self._learns:
            self._usual_s = grown(self._usual_s, size, 0)
            self._runs = grown(self._runs, size, 0)

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """How long the run of each sample lasts."""
        samples = inputs.samples[self._measure]
        if samples is None or not len(samples):
            return None
        values, is_known = np.zeros(len(samples)), np.ones(len(samples), np.bool_)
        for chosen in rounds_of(samples.series) if samples.repeats else (np.arange(len(samples)),):
            values[chosen], is_known[chosen] = self._take(samples, chosen)
        return judged_of(samples, values, is_known if self._learns else None, selection, too_wide=False)

    def _take(self, samples: Samples, chosen: Indices) -> tuple[Float64s, Bools]:
        """The values of some samples, one for each of their signals, which are added to the runs."""
        series, time_ns, value = samples.series[chosen], samples.time_ns[chosen], samples.value[chosen]
        since_ns = self._since_ns[series]
        low, high = np.fmin(self._low[series], value), np.fmax(self._high[series], value)
        is_known = since_ns != NEVER
        if samples.anew is not None:
            is_known &= ~samples.anew[chosen]
        goes_on = is_known & (high - low <= self._epsilon)
        if self._learns:
            self._learn(series[is_known & ~goes_on], (time_ns - since_ns)[is_known & ~goes_on])
        self._since_ns[series] = np.where(goes_on, since_ns, time_ns)
        self._low[series] = np.where(goes_on, low, value)
        self._high[series] = np.where(goes_on, high, value)
        lasts_s = np.where(goes_on, time_ns - since_ns, 0) / 1e9
        if not self._learns:
            return lasts_s, np.ones(len(chosen), np.bool_)
        is_learnt = self._runs[series] >= AUTO_RUNS
        return lasts_s / np.where(is_learnt, self._usual_s[series], 1), is_learnt

    def _learn(self, series: Indices, lasted_ns: Int64s) -> None:
        """Learn from runs that are complete."""
        self._usual_s[series] = np.maximum(lasted_ns / 1e9, self._usual_s[series] * (1 - _FORGOTTEN))
        self._runs[series] = np.minimum(self._runs[series] + 1, AUTO_RUNS)

    def snapshot(self) -> Arrays:
        """The runs of all signals that have had a sample."""
        known = np.flatnonzero(self._since_ns[: len(self.subjects)] != NEVER)
        arrays = {
            "series": packed(known, np.uint32),
            "since_ns": packed(self._since_ns[known], np.int64),
            "low": packed(self._low[known], np.float64),
            "high": packed(self._high[known], np.float64),
        }
        if self._learns:
            arrays["usual_s"] = packed(self._usual_s[known], np.float64)
            arrays["runs"] = packed(self._runs[known], np.int32)
        return arrays

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore saved runs."""
        series = ids.series[unpacked(arrays["series"], np.uint32)]
        self._since_ns[series] = unpacked(arrays["since_ns"], np.int64)
        self._low[series] = unpacked(arrays["low"], np.float64)
        self._high[series] = unpacked(arrays["high"], np.float64)
        if self._learns:
            self._usual_s[series] = unpacked(arrays["usual_s"], np.float64)
            self._runs[series] = unpacked(arrays["runs"], np.int32)


def _read_after(node: Node, what: str, problems: Problems) -> timedelta | str | None:
    if isinstance(node, ScalarNode) and node.value == AUTO:
        return AUTO
    span: timedelta | None = SPAN.read(node, what, problems)
    return span


def _make(section: Section) -> Flatline | None:
    epsilon = section.get("epsilon", 0.0)
    if epsilon < 0:
        section.problem(f"`epsilon` of {section.what} must be at least 0, is {epsilon:g}", at="epsilon")
    after = section.get("after")
    return Flatline(None if after == AUTO else after, epsilon)


KIND = Kind(
    "flatline",
    "how long a signal may stay the same",
    (
        Key(
            "after",
            Form(_read_after, {"anyOf": [SPAN.schema, {"const": AUTO}]}),
            "a duration, or auto: learnt from each signal",
            is_needed=True,
        ),
        Key("epsilon", NUMBER, "by how much values may differ and still be the same; 0 by default"),
    ),
    _make,
    without=("clear",),
)
