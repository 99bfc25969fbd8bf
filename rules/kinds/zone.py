"""`zone`: a zone as a whole, over windows of event time (`rules.kinds.windows`). Its alerts are about the zone.

zone: {of: average, over: 5m, max: 30}                           the mean of all samples
zone: {of: count, over: 5m, min: 3}                              how many sensors sent something
zone: {of: share, beyond: {max: 35}, over: 5m, max: 0.5}         the share of the sensors that are beyond these bounds

In a window without samples the count is 0, once the zone was heard; there is no value of anything else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from rules.definition.bounds import UNBOUNDED, Bounds
from rules.definition.keys import BOUND_KEYS, SPAN, Key, Section, bounds_of, choice, mapping
from rules.definition.selection import ZONE_NAME, Selection
from rules.kinds.judging import Active, Ids, Inputs, Judge, Judged
from rules.kinds.kind import Kind, OnMeasure
from rules.kinds.windows import Window, ZoneWindows
from rules.values.arrays import Arrays, Indices
from store.record import SeriesIndex, SeriesKey
from store.values.durations import duration_ns

AGGREGATES = ("average", "min", "max", "count", "share")


@dataclass(frozen=True, slots=True)
class Zone(OnMeasure):
    """The value is an aggregate of the sensors of a zone. beyond: the bounds that a share is about."""

    of: str
    over: timedelta
    beyond: Bounds = UNBOUNDED

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything."""
        return "zone", self.of, duration_ns(self.over), self.beyond.min, self.beyond.max

    @property
    def together(self) -> tuple[str, ...]:
        """The zone."""
        return (ZONE_NAME,)

    def build(self, measure: str, index: SeriesIndex) -> Judge:
        """A judge that keeps what each sensor measured in the open windows."""
        return ZoneJudge(measure, index, self)

    def value(self, window: Window) -> float:
        """The aggregate of a window."""
        match self.of:
            case "average":
                return math.fsum(window.total.tolist()) / float(window.count.sum())
            case "min":
                return float(window.low.min())
            case "max":
                return float(window.high.max())
            case "count":
                return float(len(window.series))
            case _:
                beyond = (window.last < self.beyond.min) | (window.last > self.beyond.max)
                return float(np.count_nonzero(beyond)) / len(window.series)


class ZoneJudge:
    """A value for each window of each zone."""

    version = 1

    def __init__(self, measure: str, index: SeriesIndex, zone: Zone) -> None:
        self.subjects = SeriesIndex(index.table)
        self._index = index
        self._zone = zone
        self._windows = ZoneWindows(measure, index, duration_ns(zone.over), closes_empty=zone.of == "count")

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self._windows.grow(size)

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The values of the windows that this batch closes."""
        return self._judged([*self._windows.take(inputs, selection)])

    def tick(self, now_ns: int, active: Active) -> Judged | None:  # noqa: ARG002  # windows close for all
        """The values of the windows that close now."""
        return self._judged([*self._windows.tick(now_ns)])

    def _judged(self, closed: Sequence[Window]) -> Judged | None:
        if not closed:
            return None
        subjects = [self.subjects.id_of(zone_key(window.zone), window.zone) for window in closed]
        return Judged(
            np.array([window.row for window in closed], np.intp),
            np.array(subjects, np.intp),
            np.array([window.end_ns for window in closed], np.int64),
            np.array([self._zone.value(window) for window in closed]),
            None,
            repeats=len(set(subjects)) < len(subjects),
            facts={
                (subject, window.end_ns): {"sensors": len(window.series)}
                for subject, window in zip(subjects, closed, strict=True)
            },
        )

    def subjects_of(self, series: Indices) -> Sequence[Indices]:
        """Their zones."""
        return (zones_of(self.subjects, self._index, series),)

    def snapshot(self) -> Arrays:
        """The open windows."""
        return self._windows.snapshot()

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore saved windows."""
        self._windows.restore(arrays, ids.series)


def zone_key(zone: str) -> SeriesKey:
    """The subject that is a zone."""
    return SeriesKey(((ZONE_NAME, zone),), "")


def zones_of(subjects: SeriesIndex, index: SeriesIndex, series: Indices) -> Indices:
    """The subjects that are the zones of these series; -1 for those without one."""
    zones = (index.zones[one] for one in series.tolist())
    found = [-1 if zone is None else subjects.id_of(zone_key(zone), zone) for zone in zones]
    return np.array(found, np.intp)


def _make(section: Section) -> Zone | None:
    of, beyond = section.get("of"), section.get("beyond")
    if (of == "share") != ("beyond" in section):
        section.problem(f"{section.what}: `beyond` belongs to `of: share`, and only to it", at="beyond")
    return Zone(of, section.get("over"), UNBOUNDED if beyond is None else beyond)


KIND = Kind(
    "zone",
    "the normal values of a zone as a whole",
    (
        Key(
            "of", choice(*AGGREGATES), "average, min and max of all samples; count and share of sensors", is_needed=True
        ),
        Key("over", SPAN, "the length of a window of event time", is_needed=True),
        Key("beyond", mapping(BOUND_KEYS, bounds_of), "the bounds that a sensor of the share is beyond"),
    ),
    _make,
    has_limits=True,
    numbers=("sensors",),
)
