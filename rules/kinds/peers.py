"""`peers`: a sensor against the others of its zone, over windows of event time (`rules.kinds.windows`).

    peers: {over: 5m, min: -6, max: 6}

The value of a sensor is its robust z: how far its mean in the window is from the median of its zone, in units of the
spread there. That is 1.4826 times the median of all such distances (the MAD; equal to the standard deviation for normal
noise), or `noise` if that is larger; 1.2533 times their mean where both are 0. At most half of a zone can be odd. Where
all of it moves together nobody is; then the zone itself has an alert: its value is how far its median moved since the
window before, in the same units. A zone with fewer than `at_least` sensors is not judged.

Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from rules.definition.keys import NUMBER, SPAN, Key, Section
from rules.definition.selection import ZONE_NAME, Selection
from rules.kinds.judging import Active, Ids, Inputs, Judge, Judged
from rules.kinds.kind import Kind, OnMeasure
from rules.kinds.windows import Window, ZoneWindows
from rules.kinds.zone import zone_key, zones_of
from rules.values.arrays import Arrays, Indices, packed, unpacked
from store.record import SeriesIndex
from store.values.durations import duration_ns

AT_LEAST = 5
_OF_MEDIAN = 1.4826
_OF_MEAN = 1.2533
_LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class Peers(OnMeasure):
    """The value is a robust z among the sensors of a zone."""

    over: timedelta
    at_least: int = AT_LEAST
    noise: float = 0.0

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything."""
        return "peers", duration_ns(self.over), self.at_least, self.noise

    @property
    def together(self) -> tuple[str, ...]:
        """The zone."""
        return (ZONE_NAME,)

    def build(self, measure: str, index: SeriesIndex) -> Judge:
        """A judge that keeps what each sensor measured in the open windows, and the last median of each zone."""
        return PeersJudge(measure, index, self)


class PeersJudge:
    """The values of the sensors of each zone, and of the zone."""

    version = 1

    def __init__(self, measure: str, index: SeriesIndex, peers: Peers) -> None:
        self.subjects = SeriesIndex(index.table)
        self._index = index
        self._peers = peers
        self._over_ns = duration_ns(peers.over)
        self._windows = ZoneWindows(measure, index, self._over_ns)
        self._median: dict[int, tuple[int, float]] = {}  # by zone (a subject), the end of its last window

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self._windows.grow(size)

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The values of the windows that this batch closes."""
        return self._judged(self._windows.take(inputs, selection))

    def tick(self, now_ns: int, active: Active) -> Judged | None:  # noqa: ARG002  # windows close for all
        """The values of the windows that close now."""
        return self._judged(self._windows.tick(now_ns))

    def _judged(self, closed: Iterable[Window]) -> Judged | None:
        parts = [part for window in closed if (part := self._judge(window)) is not None]
        if not parts:
            return None
        facts = {key: value for part in parts for key, value in part.facts.items()}
        row, subject, time_ns, value = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "subject", "time_ns", "value")
        )
        return Judged(row, subject, time_ns, value, None, repeats=len(np.unique(subject)) < len(subject), facts=facts)

    def _judge(self, window: Window) -> Judged | None:
        """The values of one window."""
        if len(window.series) < self._peers.at_least:
            return None
        means = window.total / window.count
        median = float(np.median(means))
        distances = np.abs(means - median)
        spread = max(_OF_MEDIAN * float(np.median(distances)), self._peers.noise)
        if not spread:
            spread = _OF_MEAN * float(np.sort(distances).mean())
        values = [_in_units(mean - median, spread) for mean in means.tolist()]
        keys = (self._index.keys[series] for series in window.series.tolist())
        subjects = [self.subjects.id_of(key, window.zone) for key in keys]
        zone = self.subjects.id_of(zone_key(window.zone), window.zone)
        before = self._median.get(zone)
        self._median[zone] = (window.end_ns, median)
        if before is not None and before[0] == window.end_ns - self._over_ns:
            subjects.append(zone)
            values.append(_in_units(median - before[1], spread))
        count = len(subjects)
        of_zone = {"median": median, "sensors": len(window.series)}
        averages = zip(subjects, [*means.tolist(), median], strict=False)
        return Judged(
            np.full(count, window.row, np.intp),
            np.array(subjects, np.intp),
            np.full(count, window.end_ns, np.int64),
            np.array(values),
            None,
            repeats=False,
            facts={(subject, window.end_ns): {**of_zone, "average": average} for subject, average in averages},
        )

    def subjects_of(self, series: Indices) -> Sequence[Indices]:
        """The sensors, and their zones."""
        keys, zones = self._index.keys, self._index.zones
        sensors = [self.subjects.id_of(keys[one], zones[one]) for one in series.tolist()]
        return np.array(sensors, np.intp), zones_of(self.subjects, self._index, series)

    def snapshot(self) -> Arrays:
        """The open windows and the last medians."""
        medians = [(zone, end_ns, median) for zone, (end_ns, median) in self._median.items()]
        zone, end_ns, median = zip(*medians, strict=True) if medians else ((), (), ())
        return {
            **self._windows.snapshot(),
            "median_of": packed(np.array(zone, np.int64), np.uint32),
            "end_ns": packed(np.array(end_ns, np.int64), np.int64),
            "median": packed(np.array(median, np.float64), np.float64),
        }

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore saved windows and medians."""
        self._windows.restore(arrays, ids.series)
        for subject in ids.subjects.tolist():  # a reading may come long after, and an alert end without one
            key = self.subjects.keys[subject]
            series = self._index.find(key)
            self.subjects.id_of(key, None if series is None else self._index.zones[series])
        zones = ids.subjects[unpacked(arrays["median_of"], np.uint32)].tolist()
        medians = zip(
            unpacked(arrays["end_ns"], np.int64).tolist(), unpacked(arrays["median"], np.float64).tolist(), strict=True
        )
        self._median = dict(zip(zones, medians, strict=True))


def _in_units(distance: float, spread: float) -> float:
    """How many times `spread`; all or nothing where there is none."""
    if not spread:
        return float(np.sign(distance)) * _LARGEST
    return max(-_LARGEST, min(_LARGEST, distance / spread))


def _make(section: Section) -> Peers | None:
    at_least, noise = section.get("at_least", AT_LEAST), section.get("noise", 0.0)
    if at_least != int(at_least) or at_least < 3:
        section.problem(f"`at_least` of {section.what} must be a whole number of at least 3", at="at_least")
    if noise < 0:
        section.problem(f"`noise` of {section.what} must be at least 0, is {noise:g}", at="noise")
    return Peers(section.get("over"), int(at_least), noise)


KIND = Kind(
    "peers",
    "how far a sensor may be from the others of its zone, in units of their spread",
    (
        Key("over", SPAN, "the length of a window of event time", is_needed=True),
        Key("at_least", NUMBER, "how many sensors a zone needs; 5 by default"),
        Key("noise", NUMBER, "the least spread that there always is, in the unit of the measure; 0 by default"),
    ),
    _make,
    has_limits=True,
    numbers=("average", "median", "sensors"),
)
