"""What the sensors of each zone measured in windows of event time, for kinds that judge a zone as a whole.

Windows have the length `over`, and begin at its multiples since 1970. One closes with the first sample of its zone
whose time is at least GRACE after its end (half a window, if that is shorter), so that sensors may disagree about the
time; then it is judged, at its end. What comes later for it is left out. A window in which nothing came is not judged.
If no such sample comes, it closes at a tick: after the newest sample of a zone its time goes on as we listen.

A sample ahead of its arrival (`rules.values.ahead`) is left out, or one wrong clock would close the windows of all
others; if the host's clock is set back, windows in the future are dropped. Each sum is made in the order of the log,
and what is computed of several sensors does not depend on their order, so the ids of series decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rules.definition.selection import Selection
from rules.kinds.judging import Inputs
from rules.values.ahead import latest_sound_ns
from rules.values.arrays import NEVER, Arrays, Bools, Float64s, Indices, grown, packed, unpacked
from rules.values.samples import Samples
from store.record import Int64s, SeriesIndex

GRACE_NS = 10 * 10**9
_SLOTS = 2  # the open window, and the one after it
_NO_ZONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A closed window of one zone: the series that were heard in it, with the number and sum of their values, the
    lowest, the highest and the last one. row: that of the sample which closed it.
    """

    row: int
    zone: str
    end_ns: int
    series: Indices
    count: Float64s
    total: Float64s
    low: Float64s
    high: Float64s
    last: Float64s


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    row: Indices
    series: Indices
    zone: Indices
    window: Int64s
    time_ns: Int64s
    limit_ns: Int64s
    value: Float64s

    def of(self, chosen: Indices | Bools) -> _Rows:
        return _Rows(*(getattr(self, name)[chosen] for name in self.__slots__))


class Groups:
    """The places of each number among small ones, found in one pass for all of them."""

    def __init__(self, numbers: Indices) -> None:
        self._order = np.argsort(numbers, kind="stable")
        self._begin = np.searchsorted(numbers[self._order], np.arange(numbers.max(initial=-1) + 2))

    def of(self, number: int) -> Indices:
        """Where this number is, ascending."""
        if number + 1 >= len(self._begin):
            return np.empty(0, np.intp)
        return self._order[self._begin[number] : self._begin[number + 1]]


class ZoneWindows:
    """The open windows of one measure."""

    def __init__(self, measure: str, index: SeriesIndex, over_ns: int, *, closes_empty: bool = False) -> None:
        """closes_empty: whether windows without samples close, too, as time goes on, of a zone that had one."""
        self._measure = measure
        self._index = index
        self._over_ns = over_ns
        self._closes_empty = closes_empty
        self._grace_ns = min(GRACE_NS, over_ns // 2)
        self._zones: dict[str, int] = {}
        self._open: Int64s = np.empty(0, np.int64)  # by zone, its open window
        self._newest_ns: Int64s = np.empty(0, np.int64)  # by zone, the time of its newest sample
        self._heard_ns: Int64s = np.empty(0, np.int64)  # by zone, when that came, on the listening clock
        self._filled: Bools = np.empty(0, np.bool_)  # by zone, whether its open window may close at a tick
        self._zone: Indices = np.empty(0, np.intp)  # by series
        self._members: Groups | None = None  # by zone, its series; None: to be found again
        self._zoned = (0, -1)  # how many series, and how often changed, `_zone` knows
        self._window = np.full((0, _SLOTS), NEVER, np.int64)
        self._sums = np.zeros((5, 0, _SLOTS))  # number, total, lowest, highest, last

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        have = len(self._window)
        if size > have:
            more = size + size // 4 + 16 - have
            self._window = np.concatenate([self._window, np.full((more, _SLOTS), NEVER, np.int64)])
            self._sums = np.concatenate([self._sums, np.zeros((5, more, _SLOTS))], axis=1)

    def take(self, inputs: Inputs, selection: Selection) -> Iterator[Window]:
        """The windows that the rows of a batch close; those of each zone in order."""
        samples = inputs.samples[self._measure]
        rows = None if samples is None or not len(samples) else self._rows(inputs, samples, selection)
        if rows is None or samples is None:
            return
        self._hear(rows, inputs)
        repeats = samples.repeats
        needs = self._needs(rows)
        if not needs.any():
            self._add(rows, repeats=repeats)
            return
        busy = np.isin(rows.zone, rows.zone[needs])
        self._add(rows.of(~busy), repeats=repeats)
        groups = Groups(rows.zone[busy])
        rows, names = rows.of(busy), tuple(self._zones)
        for zone in np.unique(rows.zone).tolist():
            yield from self._take_zone(zone, names[zone], rows.of(groups.of(zone)), repeats=repeats)

    def tick(self, now_ns: int) -> Iterator[Window]:
        """The windows that close because nothing came for so long; those of each zone in order."""
        self._know_zones()
        count = len(self._zones)
        opened, newest_ns, heard_ns = self._open[:count], self._newest_ns[:count], self._heard_ns[:count]
        waiting = np.flatnonzero(self._filled[:count] & (newest_ns != NEVER))
        zone_ns = newest_ns[waiting] + (now_ns - heard_ns[waiting])
        due = zone_ns >= (opened[waiting] + 1) * self._over_ns + self._grace_ns
        names = [*self._zones] if due.any() else []
        for zone, time_ns in zip(waiting[due].tolist(), zone_ns[due].tolist(), strict=True):
            yield from self._close_until(time_ns, names[zone], zone)

    def _close_until(self, time_ns: int, name: str, zone: int) -> Iterator[Window]:
        """The windows of a zone that close by this time."""
        while time_ns >= (int(self._open[zone]) + 1) * self._over_ns + self._grace_ns:
            opened = int(self._open[zone])
            closed = self._close(-1, name, zone, opened)
            if closed is not None:
                yield closed
            elif not self._has(zone, opened + 1):
                self._filled[zone] = False
                return
            self._open[zone] = opened + 1

    def _hear(self, rows: _Rows, inputs: Inputs) -> None:
        """Note the newest sample of each zone, the first one of its time."""
        order = np.lexsort((-rows.row, rows.time_ns, rows.zone))
        last = np.append(rows.zone[order][1:] != rows.zone[order][:-1], True)  # the last is one
        at = order[last]
        at = at[rows.time_ns[at] > self._newest_ns[rows.zone[at]]]
        self._newest_ns[rows.zone[at]] = rows.time_ns[at]
        self._heard_ns[rows.zone[at]] = inputs.clock.times_of(inputs.batch.arrival_ns[rows.row[at]])

    def places(self, zones: Sequence[str]) -> Indices:
        """For each series the place of its zone among these, each of which had a window; -1 if it is in none."""
        by_number = np.full(len(self._zones) + 1, _NO_ZONE, np.intp)  # the last one is for series without a zone
        by_number[[self._zones[zone] for zone in zones]] = np.arange(len(zones))
        return by_number[self._zone]

    def zones(self) -> tuple[tuple[str, ...], Indices]:
        """The names of the zones, and for each series the place of its zone among them; -1 if it is in none."""
        self._know_zones()
        return tuple(self._zones), self._zone

    def _rows(self, inputs: Inputs, samples: Samples, selection: Selection) -> _Rows | None:
        self._know_zones()
        in_order = not samples.repeats and samples.anew is None
        order: Indices | slice = slice(None) if in_order else np.argsort(samples.row, kind="stable")
        row, series, time_ns = samples.row[order], samples.series[order], samples.time_ns[order]
        limit_ns = latest_sound_ns(inputs.batch.arrival_ns[row])
        zone = self._zone[series]
        rows = _Rows(row, series, zone, time_ns // self._over_ns, time_ns, limit_ns, samples.value[order])
        chosen: Bools = (zone != _NO_ZONE) & (time_ns <= limit_ns)
        included = selection.of(series)
        rows = rows.of(chosen if included is None else chosen & included)
        return rows if len(rows.row) else None

    def _know_zones(self) -> None:
        """Learn the zones of new series, and of those that moved."""
        size, changes = len(self._index), self._index.rezoned
        known = self._zoned[0] if self._zoned[1] == changes else 0
        if known == size:
            return
        self._zone, self._members = grown(self._zone, size, _NO_ZONE), None
        for series, zone in enumerate(self._index.zones[known:size], known):
            if zone is not None:  # else what was saved holds
                self._zone[series] = self._zones.setdefault(zone, len(self._zones))
        self._zoned = (size, changes)
        count = len(self._zones)
        self._open, self._newest_ns = grown(self._open, count, NEVER), grown(self._newest_ns, count, NEVER)
        self._heard_ns, self._filled = grown(self._heard_ns, count, NEVER), grown(self._filled, count, False)

    def _needs(self, rows: _Rows) -> Bools:
        """Which rows open or close a window of their zone, or would if they came first."""
        opened = self._open[rows.zone]
        is_new = opened == NEVER
        safe = np.where(is_new, 0, opened)
        closes = rows.time_ns >= (safe + 1) * self._over_ns + self._grace_ns
        is_wrong = safe * self._over_ns > rows.limit_ns
        needs: Bools = is_new | closes | is_wrong
        return needs

    def _take_zone(self, zone: int, name: str, rows: _Rows, *, repeats: bool) -> Iterator[Window]:
        while len(rows.row):
            needs = np.flatnonzero(self._needs(rows))
            if not len(needs):
                self._add(rows, repeats=repeats)
                return
            self._add(rows.of(np.arange(needs[0])), repeats=repeats)
            rows = rows.of(np.arange(needs[0], len(rows.row)))
            opened, window = int(self._open[zone]), int(rows.window[0])
            if opened == NEVER or opened * self._over_ns > rows.limit_ns[0]:
                self._open[zone] = window
                continue
            closed = self._close(int(rows.row[0]), name, zone, opened)
            if closed is not None:
                yield closed
            is_next = window == opened + 1 or self._has(zone, opened + 1)
            self._open[zone] = opened + 1 if is_next else window

    def _has(self, zone: int, window: int) -> bool:
        return bool((self._window[self._members_of(zone), window % _SLOTS] == window).any())

    def _members_of(self, zone: int) -> Indices:
        if self._members is None:
            self._members = Groups(self._zone)
        return self._members.of(zone)

    def _close(self, row: int, name: str, zone: int, window: int) -> Window | None:
        members, slot = self._members_of(zone), window % _SLOTS
        heard = members[self._window[members, slot] == window]
        if not len(heard) and not self._closes_empty:
            return None
        return Window(row, name, (window + 1) * self._over_ns, heard, *self._sums[:, heard, slot])

    def _add(self, rows: _Rows, *, repeats: bool) -> None:
        """Add rows to the windows that are open for them; what is later than its window is left out.

        repeats: a series may occur more than once.
        """
        ahead = rows.window - self._open[rows.zone]
        rows = rows.of((ahead >= 0) & (ahead < _SLOTS))
        if not len(rows.row):
            return
        self._filled[rows.zone] = True
        series, slot = rows.series, rows.window % _SLOTS
        is_first = self._window[series, slot] != rows.window
        self._sums[:2, series[is_first], slot[is_first]] = 0
        self._sums[2, series[is_first], slot[is_first]] = np.inf
        self._sums[3, series[is_first], slot[is_first]] = -np.inf
        self._window[series, slot] = rows.window
        count, total, low, high, last = self._sums
        at = series, slot
        if repeats:
            np.add.at(count, at, 1)
            np.add.at(total, at, rows.value)
            np.minimum.at(low, at, rows.value)
            np.maximum.at(high, at, rows.value)
        else:
            count[at] += 1
            total[at] += rows.value
            low[at] = np.minimum(low[at], rows.value)
            high[at] = np.maximum(high[at], rows.value)
        last[at] = rows.value  # of repeated indices the last one counts

    def snapshot(self) -> Arrays:
        """The open windows, with the zones of their series: a process that restores them has not heard of these yet."""
        self._know_zones()
        known = np.flatnonzero((self._window != NEVER).any(1))
        return {
            "zones": "\0".join(self._zones).encode(),
            "open": packed(self._open[: len(self._zones)], np.int64),
            "newest_ns": packed(self._newest_ns[: len(self._zones)], np.int64),
            "heard_ns": packed(self._heard_ns[: len(self._zones)], np.int64),
            "filled": packed(self._filled[: len(self._zones)], np.int8),
            "series": packed(known, np.uint32),
            "zone": packed(self._zone[known], np.int32),
            "window": packed(self._window[known], np.int64),
            "sums": packed(self._sums[:, known], np.float64),
        }

    def restore(self, arrays: Arrays, ids: Indices) -> None:
        """Restore saved windows."""
        opened = unpacked(arrays["open"], np.int64)
        names = arrays["zones"].decode().split("\0") if len(opened) else []
        self._zones = dict(zip(names, range(len(opened)), strict=True))
        self._open = opened
        none = packed(np.full(len(opened), NEVER), np.int64)  # older programs did not save these
        self._newest_ns = unpacked(arrays.get("newest_ns", none), np.int64)
        self._heard_ns = unpacked(arrays.get("heard_ns", none), np.int64)
        filled = packed(np.full(len(opened), not self._closes_empty), np.int8)  # nor this: not all empty ones since
        self._filled = unpacked(arrays.get("filled", filled), np.int8).astype(np.bool_)
        series = ids[unpacked(arrays["series"], np.uint32)]
        self._zone, self._members = grown(self._zone, len(self._window), _NO_ZONE), None
        self._zone[series] = unpacked(arrays["zone"], np.int32)
        self._window[series] = unpacked(arrays["window"], np.int64).reshape(-1, _SLOTS)
        self._sums[:, series] = unpacked(arrays["sums"], np.float64).reshape(5, -1, _SLOTS)
