"""`count`: how many events there were in a window, by dimension: failed logins of a user.

    measure: failed
    count: {over: 1m, by: user, of: {min: 1}, max: 4}          five or more in a minute

An event is a sample of the measure, or one whose value is within `of`. The subject is the group of all series that have
the same values of the dimensions `by`; without it, the table. At each sample of a group the value is the number of
events in the window that ends with the newest sample of the group: (newest - over, newest]. After it the time of the
group goes on as we listen: at a tick the window ends then, and is judged if an event has left it, or something is
pending or firing. A sample ahead of its arrival is left out.
No two values of a group have the same time, so that no two of its alerts have: if samples do, each is a nanosecond
later.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from rules.definition.bounds import UNBOUNDED, Bounds
from rules.definition.document import Problems, read_items, read_text
from rules.definition.keys import BOUND_KEYS, SPAN, Form, Key, bounds_of, mapping
from rules.definition.selection import Selection
from rules.kinds.judging import Active, Ids, Inputs, Judge, Judged
from rules.kinds.kind import Kind, OnMeasure
from rules.values.ahead import latest_sound_ns
from rules.values.arrays import NEVER, Arrays, Indices, grown, packed, unpacked
from store.record import Int64s, SeriesIndex, SeriesKey
from store.values.durations import duration_ns
from store.values.yaml_text import Node, SequenceNode

_NOT_DUE = 1 << 62
MOST_EVENTS = 10_000
"""Of one group in one window; more are not kept, and counted as so many."""


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
        self._over_ns = duration_ns(count.over)
        self._group: list[int] = []  # by series
        self._times_ns: list[list[int]] = []  # by group, of its events, in order
        self._newest_ns: list[int] = []  # by group, of any of its samples, or a tick
        self._heard_ns: list[int] = []  # by group, when that was, on the listening clock
        self._judged_ns: list[int] = []  # by group, the time of its last value
        self._due_ns: Int64s = np.empty(0, np.int64)  # by group, when an event leaves the window, on that clock

    def grow(self, size: int) -> None:
        """Know the groups of series ids below `size`."""
        for key in self._index.keys[len(self._group) : size]:
            values = dict(key.dimensions)
            group = SeriesKey(tuple((name, values[name]) for name in sorted(self._count.by) if name in values), "")
            self._group.append(self.subjects.id_of(group))
        self._know_groups()

    def _know_groups(self) -> None:
        for _ in range(len(self._times_ns), len(self.subjects)):
            self._times_ns.append([])
            self._newest_ns.append(NEVER)
            self._heard_ns.append(NEVER)
            self._judged_ns.append(NEVER)
        self._due_ns = grown(self._due_ns, len(self.subjects), _NOT_DUE)

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The number of events at each sample."""
        samples = inputs.samples[self._measure]
        if samples is None or not len(samples):
            return None
        is_sound = samples.time_ns <= latest_sound_ns(inputs.batch.arrival_ns[samples.row])
        included = selection.of(samples.series)
        chosen = np.flatnonzero(is_sound if included is None else is_sound & included)
        chosen = chosen[np.argsort(samples.row[chosen], kind="stable")]
        if not len(chosen):
            return None
        values = samples.value[chosen]
        is_event = (values >= self._count.of.min) & (values <= self._count.of.max)
        groups = [self._group[series] for series in samples.series[chosen].tolist()]
        heard_ns = inputs.clock.times_of(inputs.batch.arrival_ns[samples.row[chosen]])
        columns = (groups, samples.time_ns[chosen].tolist(), heard_ns.tolist(), is_event.tolist())
        counted = [
            self._at(group, time_ns, heard, is_event=event)
            for group, time_ns, heard, event in zip(*columns, strict=True)
        ]
        return Judged(
            samples.row[chosen],
            np.array(groups, np.intp),
            np.array([time_ns for time_ns, _ in counted], np.int64),
            np.array([count for _, count in counted], np.float64),
            None,
            repeats=len(set(groups)) < len(groups),
        )

    def tick(self, now_ns: int, active: Active) -> Judged | None:
        """The number of events of the groups that lose one, and of those that are active."""
        due = np.flatnonzero(self._due_ns[: len(self.subjects)] <= now_ns).tolist()
        groups = [group for group in sorted({*due, *active()}) if self._heard_ns[group] not in (NEVER, now_ns)]
        if not groups:
            return None
        times = [self._newest_ns[group] + max(0, now_ns - self._heard_ns[group]) for group in groups]
        counted = [
            self._at(group, time_ns, now_ns, is_event=False) for group, time_ns in zip(groups, times, strict=True)
        ]
        return Judged(
            np.full(len(groups), -1, np.intp),
            np.array(groups, np.intp),
            np.array([time_ns for time_ns, _ in counted], np.int64),
            np.array([count for _, count in counted], np.float64),
            None,
            repeats=False,
        )

    def _at(self, group: int, time_ns: int, heard_ns: int, *, is_event: bool) -> tuple[int, int]:
        """The time of the value of a group with this sample, and the value."""
        times = self._times_ns[group]
        if time_ns > self._newest_ns[group]:
            self._newest_ns[group], self._heard_ns[group] = time_ns, heard_ns
        newest = self._newest_ns[group]
        if is_event and time_ns > newest - self._over_ns:
            insort(times, time_ns)
        del times[: max(bisect_right(times, newest - self._over_ns), len(times) - MOST_EVENTS)]
        self._plan(group)
        judged = self._judged_ns[group] = max(newest, self._judged_ns[group] + 1)
        return judged, len(times)

    def _plan(self, group: int) -> None:
        """Find when the oldest event of a group leaves the window."""
        times, heard_ns = self._times_ns[group], self._heard_ns[group]
        is_known = times and heard_ns != NEVER
        self._due_ns[group] = times[0] + self._over_ns - self._newest_ns[group] + heard_ns if is_known else _NOT_DUE

    def subjects_of(self, series: Indices) -> Sequence[Indices]:
        """Their groups."""
        return (np.array([self._group[one] for one in series.tolist()], np.intp),)

    def snapshot(self) -> Arrays:
        """The events of all groups; these are subjects."""
        sizes = [len(times) for times in self._times_ns]
        return {
            "newest_ns": packed(np.array(self._newest_ns, np.int64), np.int64),
            "heard_ns": packed(np.array(self._heard_ns, np.int64), np.int64),
            "judged_ns": packed(np.array(self._judged_ns, np.int64), np.int64),
            "size": packed(np.array(sizes, np.int64), np.uint32),
            "time_ns": packed(np.array([time_ns for times in self._times_ns for time_ns in times], np.int64), np.int64),
        }

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore saved events."""
        self._know_groups()
        times = iter(unpacked(arrays["time_ns"], np.int64).tolist())
        newest_ns, sizes = unpacked(arrays["newest_ns"], np.int64), unpacked(arrays["size"], np.uint32)
        never = packed(np.full(len(sizes), NEVER), np.int64)  # older programs did not save when a group was heard
        heard_ns = unpacked(arrays.get("heard_ns", never), np.int64)
        judged_ns = unpacked(arrays.get("judged_ns", arrays["newest_ns"]), np.int64)
        columns = (ids.subjects.tolist(), *(of.tolist() for of in (newest_ns, heard_ns, judged_ns, sizes)))
        for group, newest, heard, judged, size in zip(*columns, strict=True):
            self._newest_ns[group], self._heard_ns[group], self._judged_ns[group] = newest, heard, judged
            self._times_ns[group] = [next(times) for _ in range(size)]
            self._plan(group)


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
