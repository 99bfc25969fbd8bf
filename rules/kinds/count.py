"""`count`: how many events there were in a window, by dimension: failed logins of a user.

    measure: failed
    count: {over: 1m, by: user, of: {min: 1}, max: 4}          five or more in a minute

An event is a sample of the measure, or one whose value is within `of`. The subject is the group of all series that have
the same values of the dimensions `by`; without it, the table. The value is the number of events in the window of the
group (`rules.kinds.event_windows`): at each sample of it, and at the time at which an event leaves the window. While
something is pending or firing it is judged at each tick, too. A sample ahead of its arrival is left out.
No two values of a group have the same time, so that no two of its alerts have: if samples do, each is a nanosecond
later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from rules.definition.bounds import UNBOUNDED, Bounds
from rules.definition.document import Problems, read_items, read_text
from rules.definition.keys import BOUND_KEYS, SPAN, Form, Key, bounds_of, mapping
from rules.definition.selection import Selection
from rules.kinds.event_windows import EventWindows, Taken
from rules.kinds.judging import Active, Ids, Inputs, Judge, Judged
from rules.kinds.kind import Kind, OnMeasure
from rules.values.ahead import latest_sound_ns
from rules.values.arrays import Arrays, Bools, Indices, grown
from store.record import SeriesIndex, SeriesKey
from store.values.durations import duration_ns
from store.values.yaml_text import Node, SequenceNode


@dataclass(frozen=True, slots=True)
class Count(OnMeasure):
    """The value is the number of events of a group in a window."""

    over: timedelta
    by: tuple[str, ...] = ()
    of: Bounds = UNBOUNDED

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything."""
        return "count", duration_ns(self.over), self.by, self.of.min, self.of.max

    @property
    def together(self) -> tuple[str, ...]:
        """The group."""
        return self.by

    @property
    def alias(self) -> str:
        """Count."""
        return "count"

    def build(self, measure: str, index: SeriesIndex) -> Judge:
        """A judge that keeps the times of the events in the window of each group."""
        return CountJudge(measure, index, self)


class CountJudge:
    """The number of events of each group."""

    version = 1

    def __init__(self, measure: str, index: SeriesIndex, count: Count) -> None:
        self.subjects = SeriesIndex(index.table)
        self._measure = measure
        self._index = index
        self._count = count
        self._windows = EventWindows(duration_ns(count.over))
        self._known = 0  # series
        self._group: Indices = np.empty(0, np.intp)  # by series

    def grow(self, size: int) -> None:
        """Know the groups of series ids below `size`."""
        if size > self._known:
            self._group = grown(self._group, size, -1)
            self._group[self._known : size] = [self._group_of(key) for key in self._index.keys[self._known : size]]
            self._known = size
        self._windows.grow(len(self.subjects))

    def _group_of(self, key: SeriesKey) -> int:
        values = dict(key.dimensions)
        pairs = tuple((name, values[name]) for name in sorted(self._count.by) if name in values)
        return self.subjects.id_of(SeriesKey(pairs, ""))

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The number of events at each sample, and when one leaves before it."""
        samples = inputs.samples[self._measure]
        if samples is None or not len(samples):
            return None
        is_sound = samples.time_ns <= latest_sound_ns(inputs.batch.arrival_ns[samples.row])
        included = selection.of(samples.series)
        chosen = np.flatnonzero(is_sound if included is None else is_sound & included)
        if not len(chosen):
            return None
        chosen = chosen[np.argsort(samples.row[chosen], kind="stable")]
        row, values = samples.row[chosen], samples.value[chosen]
        heard_ns = inputs.clock.times_of(inputs.batch.arrival_ns[row])
        is_event: Bools = (values >= self._count.of.min) & (values <= self._count.of.max)
        group = self._group[samples.series[chosen]]
        return self._windows.take(Taken(row, group, samples.time_ns[chosen], heard_ns, is_event))

    def tick(self, now_ns: int, active: Active) -> Judged | None:
        """The number of events of the groups that lose one, and of those that are active."""
        return self._windows.tick(now_ns, active())

    def subjects_of(self, series: Indices) -> Sequence[Indices]:
        """Their groups."""
        return (self._group[series],)

    def snapshot(self) -> Arrays:
        """The events of all groups; these are subjects."""
        return self._windows.snapshot()

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore saved events."""
        self._windows.grow(len(self.subjects))
        self._windows.restore(arrays, ids.subjects)


def _read_by(node: Node, what: str, problems: Problems) -> tuple[str, ...]:
    items: Sequence[Node] = read_items(node, what, problems) if isinstance(node, SequenceNode) else (node,)
    texts = (read_text(item, what, problems) for item in items)
    return tuple(sorted({text for text in texts if text is not None}))


_NAMES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
KIND = Kind(
    "count",
    "how many events there may be in a window",
    (
        Key("over", SPAN, "the length of the window", is_needed=True),
        Key("by", Form(_read_by, _NAMES), "the dimensions that make a group; without it, one group for all"),
        Key("of", mapping(BOUND_KEYS, bounds_of), "the values that are events; all by default"),
    ),
    lambda section: Count(section.get("over"), section.get("by", ()), section.get("of", UNBOUNDED)),
    has_limits=True,
    numbers=("count",),
)
