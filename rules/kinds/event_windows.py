"""The events of groups in a window of event time, for `count`: how many there are, at each moment that changes it.

The window of a group ends at the group's time and is (time - over, time]. Its time is that of its newest sample, and
goes on after it as we listen. Its number changes with a sample, and when an event leaves the window: at the time of
this event and `over`, to the nanosecond, whether a tick or a later sample shows that this time has come.

Most groups have no event in most batches. All samples of these are taken at once; only the others are taken one by one.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rules.kinds.judging import Judged
from rules.values.arrays import NEVER, Arrays, Bools, Indices, grown, packed, unpacked
from store.record import Int64s

_NOT_DUE = 1 << 62
MOST_EVENTS = 10_000
"""Of one group in one window; more are not kept, and counted as so many."""


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """Samples in log order: their rows, their groups, their times, when they came on the listening clock, whether they
    are events. Arrays of one length.
    """

    row: Indices
    group: Indices
    time_ns: Int64s
    heard_ns: Int64s
    is_event: Bools

    def of(self, chosen: Indices | Bools) -> Taken:
        """Some of them."""
        return Taken(*(getattr(self, name)[chosen] for name in self.__slots__))

    def each(self) -> Iterator[tuple[int, int, int, int, bool]]:
        """The samples."""
        return zip(*(getattr(self, name).tolist() for name in self.__slots__), strict=True)


class _Value(NamedTuple):
    row: int
    group: int
    time_ns: int
    number: int
    lasts: bool = False


class EventWindows:
    """The window of each group. No two values of a group have the same time."""

    def __init__(self, over_ns: int) -> None:
        self._over_ns = over_ns
        self._size = 0
        self._times_ns: dict[int, list[int]] = {}  # by group with events, of these, in order
        self._has_events: Bools = np.empty(0, np.bool_)  # by group
        self._newest_ns: Int64s = np.empty(0, np.int64)  # by group, its time when it was last changed
        self._heard_ns: Int64s = np.empty(0, np.int64)  # by group, when that was, on the listening clock
        self._judged_ns: Int64s = np.empty(0, np.int64)  # by group, the time of its last value
        self._due_ns: Int64s = np.empty(0, np.int64)  # by group, when an event leaves the window, on that clock

    def grow(self, size: int) -> None:
        """Make room for groups below `size`."""
        self._size = size
        self._has_events = grown(self._has_events, size, fill=False)
        self._newest_ns = grown(self._newest_ns, size, NEVER)
        self._heard_ns = grown(self._heard_ns, size, NEVER)
        self._judged_ns = grown(self._judged_ns, size, NEVER)
        self._due_ns = grown(self._due_ns, size, _NOT_DUE)

    def take(self, samples: Taken) -> Judged:
        """The numbers at each of these samples, and before it, if events have left the window since."""
        is_busy = self._has_events.copy()
        is_busy[samples.group[samples.is_event]] = True
        busy = is_busy[samples.group]
        if not busy.any():
            return self._take_quiet(samples)
        found = _judged([value for sample in samples.of(busy).each() for value in self._take_one(*sample)])
        return found if busy.all() else _joined(self._take_quiet(samples.of(~busy)), found)

    def tick(self, now_ns: int, active: Collection[int]) -> Judged | None:
        """The numbers of the groups that have lost an event by `now_ns`, and those of the active ones now."""
        due = np.flatnonzero(self._due_ns[: self._size] <= now_ns).tolist()
        found: list[_Value] = []
        for group in sorted({*due, *active}):
            found += self._pass_time(group, now_ns, is_active=group in active)
        return _judged(found) if found else None

    def _take_quiet(self, samples: Taken) -> Judged:
        """The numbers at samples of groups without events: 0."""
        samples = samples.of(np.argsort(samples.group, kind="stable"))
        group, time_ns, heard_ns = samples.group, samples.time_ns, samples.heard_ns
        is_first = np.append(True, group[1:] != group[:-1])
        at = np.arange(len(group))
        place = at - np.maximum.accumulate(np.where(is_first, at, 0))
        newest_ns = _running_max(np.maximum(time_ns, self._newest_ns[group]), place)
        before_ns = np.where(is_first, self._newest_ns[group], np.roll(newest_ns, 1))
        judged_ns = _running_max(np.maximum(newest_ns - place, self._judged_ns[group] + 1), place) + place
        is_newer = newest_ns > before_ns
        self._heard_ns[group[is_newer]] = heard_ns[is_newer]  # of repeated indices the last one counts
        self._newest_ns[group], self._judged_ns[group] = newest_ns, judged_ns
        return Judged(samples.row, group, judged_ns, np.zeros(len(group)), None, repeats=not bool(is_first.all()))

    def _take_one(self, row: int, group: int, time_ns: int, heard_ns: int, is_event: bool) -> Iterator[_Value]:
        times = self._times_ns.setdefault(group, [])
        if time_ns > self._newest_ns.item(group):
            yield from self._leave(row, group, time_ns - 1)
            self._newest_ns[group], self._heard_ns[group] = time_ns, heard_ns
        begin_ns = self._newest_ns.item(group) - self._over_ns
        if is_event and time_ns > begin_ns:
            insort(times, time_ns)
        del times[: max(bisect_right(times, begin_ns), len(times) - MOST_EVENTS)]
        yield self._value(row, group, self._newest_ns.item(group))

    def _pass_time(self, group: int, now_ns: int, *, is_active: bool) -> Iterator[_Value]:
        newest_ns, heard_ns = self._newest_ns.item(group), self._heard_ns.item(group)
        if heard_ns == NEVER or now_ns <= heard_ns:
            return
        time_ns = newest_ns + now_ns - heard_ns
        yield from self._leave(-1, group, time_ns)
        if is_active and self._newest_ns.item(group) < time_ns:
            self._newest_ns[group], self._heard_ns[group] = time_ns, now_ns
            yield self._value(-1, group, time_ns)._replace(lasts=True)

    def _leave(self, row: int, group: int, upto_ns: int) -> Iterator[_Value]:
        """The numbers as events leave the window until this time of the group."""
        times = self._times_ns.get(group, [])
        while times and times[0] + self._over_ns <= upto_ns:
            left_ns = times[0] + self._over_ns
            if self._heard_ns.item(group) != NEVER:
                self._heard_ns[group] += left_ns - self._newest_ns.item(group)
            self._newest_ns[group] = left_ns
            del times[: bisect_right(times, times[0])]
            yield self._value(row, group, left_ns)

    def _value(self, row: int, group: int, time_ns: int) -> _Value:
        """The number now; also finds when it changes next."""
        self._plan(group)
        judged_ns = max(time_ns, self._judged_ns.item(group) + 1)
        self._judged_ns[group] = judged_ns
        return _Value(row, group, judged_ns, len(self._times_ns.get(group, ())))

    def _plan(self, group: int) -> None:
        """Find when the oldest event of a group leaves the window."""
        times, heard_ns = self._times_ns.get(group, []), self._heard_ns.item(group)
        self._has_events[group] = bool(times)
        is_known = times and heard_ns != NEVER
        self._due_ns[group] = (
            times[0] + self._over_ns - self._newest_ns.item(group) + heard_ns if is_known else _NOT_DUE
        )

    def snapshot(self) -> Arrays:
        """The events of all groups; these are subjects."""
        size = np.zeros(self._size, np.uint32)
        times = [self._times_ns[group] for group in np.flatnonzero(self._has_events[: self._size]).tolist()]
        size[self._has_events[: self._size]] = [len(of) for of in times]
        return {
            "newest_ns": packed(self._newest_ns[: self._size], np.int64),
            "heard_ns": packed(self._heard_ns[: self._size], np.int64),
            "judged_ns": packed(self._judged_ns[: self._size], np.int64),
            "size": packed(size, np.uint32),
            "time_ns": packed(np.array([time_ns for of in times for time_ns in of], np.int64), np.int64),
        }

    def restore(self, arrays: Arrays, groups: Indices) -> None:
        """Restore saved events; `groups` are those of today by their saved number."""
        newest_ns, sizes = unpacked(arrays["newest_ns"], np.int64), unpacked(arrays["size"], np.uint32)
        never = packed(np.full(len(sizes), NEVER), np.int64)  # older programs did not save when a group was heard
        self._newest_ns[groups] = newest_ns
        self._heard_ns[groups] = unpacked(arrays.get("heard_ns", never), np.int64)
        self._judged_ns[groups] = unpacked(arrays.get("judged_ns", arrays["newest_ns"]), np.int64)
        times, ends = unpacked(arrays["time_ns"], np.int64).tolist(), np.cumsum(sizes)
        for place in np.flatnonzero(sizes).tolist():
            group, end = int(groups[place]), int(ends[place])
            self._times_ns[group] = times[end - int(sizes[place]) : end]
            self._plan(group)


def _running_max(values: Int64s, place: Indices) -> Int64s:
    """The highest of each segment so far; `place` is that of each value in its segment."""
    found, step, last = values.copy(), 1, int(place.max(initial=0))
    while step <= last:
        later = np.flatnonzero(place >= step)
        found[later] = np.maximum(found[later], found[later - step])
        step *= 2
    return found


def _judged(values: list[_Value]) -> Judged:
    row, group, time_ns, count, lasts = zip(*values, strict=True)
    is_repeated = len(set(group)) < len(group)
    return Judged(
        np.array(row, np.intp),
        np.array(group, np.intp),
        np.array(time_ns, np.int64),
        np.array(count, np.float64),
        None,
        repeats=is_repeated,
        lasting=np.array(lasts),
    )


def _joined(first: Judged, second: Judged) -> Judged:
    """Values of other groups."""
    return Judged(
        np.concatenate([first.row, second.row]),
        np.concatenate([first.subject, second.subject]),
        np.concatenate([first.time_ns, second.time_ns]),
        np.concatenate([first.value, second.value]),
        None,  # none of them is of a tick
        repeats=first.repeats or second.repeats,
    )
