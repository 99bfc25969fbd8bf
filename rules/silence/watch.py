"""One rule of the kind `missing` over the series of one table: who is silent, and what a tick or a reading changes.

A series falls silent when it was not heard for its *limit* (`after`) of our listening. Everything is decided at ticks,
in one comparison of all deadlines, and only if the earliest may be reached; a reading only ends silence. So the
decisions do not depend on how the log was cut into batches.

    ok ──deadline──▶ firing ──heard──▶ ok
         └─its zone is silent as a whole─▶ covered ──heard──▶ ok

What is silent together is one alert (`rules.silence.zones`); when that ends, those that it still covers have their
whole limit again. After `until`, silence is final: the alert resolves, and the series counts no more until it is heard.
Devices that are expected, and were never heard, have their deadline from the beginning of the rule
(`rules.silence.expected`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules.definition.selection import Selection
from rules.kinds.missing import AUTO_EXPECTED_NS, AUTO_LEAST_NS, AUTO_TIMES, Missing
from rules.rule import Rule
from rules.silence.expected import Expected
from rules.silence.hearing import GAPS_NEEDED, Hearing
from rules.silence.zones import SilentZones, Sizes, Verdict
from rules.values.arrays import NEVER, Bools, Indices, grown
from rules.values.listening import ListeningClock
from store.record import Int64s, SeriesIndex, SeriesKey
from store.values.durations import duration_ns

NO_LIMIT_NS = 1 << 61  # of a series whose interval is not learnt yet


class State(enum.IntEnum):
    """What is known of the silence of a series."""

    OK = 0
    FIRING = 1
    COVERED = 2
    FINAL = 3


@dataclass(frozen=True, slots=True)
class Silence:
    """Something fell silent, or (`is_over`) is so no more.

    subject   a series, an expected device, or a zone: the key of its alert
    limit_ns  for how long it may be silent; of a zone, the longest of its series
    row       the row of the batch with the reading that ended it; -1: a tick did
    is_final  it was silent for too long, and counts no more
    silent    how many series, or zones, are silent, of how many
    """

    subject: SeriesKey
    zone: str | None
    since_ns: int
    time_ns: int
    limit_ns: int
    is_over: bool = False
    is_final: bool = False
    row: int = -1
    silent: int = 1
    sensors: int = 1


class SilenceWatch:
    """The state of the rule. `hearing` is that of its measure, shared with other rules."""

    def __init__(
        self, rule: Rule, condition: Missing, index: SeriesIndex, hearing: Hearing, clock: ListeningClock
    ) -> None:
        self.rule = rule
        self.hearing = hearing
        self.state: npt.NDArray[np.int8] = np.empty(0, np.int8)
        self.not_before_ns: Int64s = np.empty(0, np.int64)  # of the deadlines of series that were covered
        self.zones = SilentZones(index, condition.share)
        self.expected = Expected(condition.expect, index)
        self.began_ns = clock.complete_ns  # since when the rule is there; NEVER: from its first tick on
        self.began_time_ns = clock.listened_ns
        self._condition = condition
        self._index = index
        self._selection = Selection(rule.where, index)
        self._size = 0
        self._next_ns = 0  # before this, no deadline is due
        self._until_ns = None if condition.until is None else duration_ns(condition.until)

    def grow(self, size: int) -> None:
        """Make room for the series ids below `size`, all of which are in the index."""
        self._size = size
        self.state = grown(self.state, size, State.OK)
        self.not_before_ns = grown(self.not_before_ns, size, NEVER)
        self.zones.grow(size)
        self.expected.grow(size)
        self._selection.grow(size)

    def hear(self, row: Indices, series: Indices, arrival_ns: Int64s) -> list[Silence]:
        """What these readings end; called before the hearing is told of them."""
        found = [
            self._of_device(device, int(arrival_ns[at]), row=int(row[at])) for at, device in self.expected.hear(series)
        ]
        for at in np.flatnonzero(self.state[series] != State.OK).tolist():
            one = int(series[at])
            if self.state[one] == State.FIRING:
                found.append(self._of_series(one, int(arrival_ns[at]), row=int(row[at]), is_over=True))
            self.state[one] = State.OK
        return found

    def forget(self, series: Indices, time_ns: int) -> list[Silence]:
        """These series count no more until they are heard; called before the hearing is told."""
        found = [
            self._of_series(one, time_ns, is_over=True, is_final=True)
            for one in series[self.state[series] == State.FIRING].tolist()
        ]
        self.state[series] = State.OK
        return found

    def tick(self, clock: ListeningClock) -> list[Silence]:
        """What changes now."""
        now_ns = clock.listened_ns
        if self.began_ns == NEVER:
            self.began_ns, self.began_time_ns = clock.complete_ns, now_ns
        found = []
        if now_ns >= self.began_time_ns + self._expected_limit_ns:
            found = [self._of_device(one, clock.complete_ns) for one in self.expected.fall_due(self.hearing)]
        if now_ns < self._next_ns and not self.zones.are_silent:
            return found
        heard_ns, state = self.hearing.time_ns[: self._size], self.state[: self._size]
        member = (heard_ns != NEVER) & (state != State.FINAL)
        included = self._selection.of(np.arange(self._size))
        if included is not None:
            member &= included
        if self._until_ns is not None:
            found += self._finish(member & (heard_ns <= now_ns - self._until_ns), clock)
            member &= state != State.FINAL
        limit_ns = self._limits()
        deadline_ns = np.maximum(heard_ns + limit_ns, self.not_before_ns[: self._size])
        due = member & (deadline_ns <= now_ns)
        if self.zones.are_silent or (due & (state == State.OK)).any():
            together = member & (state != State.FIRING)  # what was told alone before does not fall silent with others
            quiet = together & (due | (deadline_ns - limit_ns // 2 <= now_ns))
            sizes = self.zones.sizes(together, quiet, together & due)
            found += self._end_groups(sizes, clock, limit_ns)
            # those whose group has just ended have a new deadline
            fall = np.flatnonzero(due & (state == State.OK) & (self.not_before_ns[: self._size] <= now_ns))
            if len(fall):
                found += self._fall_silent(fall, sizes, clock, limit_ns)
        self._plan(now_ns, member, deadline_ns)
        return found

    def counts(self) -> int:
        """How many alerts fire."""
        own = int(np.count_nonzero(self.state == State.FIRING)) + len(self.expected.missing())
        return own + sum(group.is_silent for group in self.zones.groups.values())

    def firing(self) -> list[tuple[SeriesKey, int, int]]:
        """What has an alert now: subject, since, limit."""
        alone = (self._of_series(one, 0) for one in np.flatnonzero(self.state == State.FIRING).tolist())
        devices = (self._of_device(one, 0) for one in self.expected.missing())
        groups = ((self.zones.key_of(number), of) for number, of in self.zones.groups.items() if of.is_silent)
        return [
            *((told.subject, told.since_ns, told.limit_ns) for told in (*alone, *devices)),
            *((key, of.since_ns, of.limit_ns) for key, of in groups),
        ]

    @property
    def _expected_limit_ns(self) -> int:
        return AUTO_EXPECTED_NS if self._condition.after is None else self._condition.least_ns

    def _limits(self) -> Int64s:
        """How long each series may be silent."""
        if self._condition.after is not None:
            return np.full(self._size, self._condition.least_ns, np.int64)
        gap_ns, gaps = self.hearing.gap_ns[: self._size], self.hearing.gaps[: self._size]
        return np.where(gaps < GAPS_NEEDED, NO_LIMIT_NS, np.maximum(AUTO_LEAST_NS, AUTO_TIMES * gap_ns))

    def _since_ns(self, series: int) -> int:
        """The onset: the last reading, or the beginning of a rule that came later."""
        return max(int(self.hearing.arrival_ns[series]), self.began_ns)

    def _plan(self, now_ns: int, member: Bools, deadline_ns: Int64s) -> None:
        """Find the next time at which something may be due; what is heard from now on is due later than `least_ns`."""
        self._next_ns = now_ns + self._condition.least_ns
        waiting = member & (self.state[: self._size] == State.OK)
        if waiting.any():
            self._next_ns = min(self._next_ns, int(deadline_ns[waiting].min()))
        if self._until_ns is not None and member.any():
            self._next_ns = min(self._next_ns, int(self.hearing.time_ns[: self._size][member].min()) + self._until_ns)

    def _finish(self, final: Bools, clock: ListeningClock) -> list[Silence]:
        series = np.flatnonzero(final)
        found = [
            self._of_series(one, clock.complete_ns, is_over=True, is_final=True)
            for one in series[self.state[series] == State.FIRING].tolist()
        ]
        self.state[series] = State.FINAL
        return found

    def _end_groups(self, sizes: Sizes, clock: ListeningClock, limit_ns: Int64s) -> list[Silence]:
        found = []
        for group in self.zones.ended(sizes):
            freed = self.zones.end(group, np.flatnonzero(self.state[: self._size] == State.COVERED))
            self.state[freed] = State.OK
            self.not_before_ns[freed] = clock.listened_ns + limit_ns[freed]
            found.append(self._of_group(group, sizes, clock, is_over=True))
        return found

    def _fall_silent(self, series: Indices, sizes: Sizes, clock: ListeningClock, limit_ns: Int64s) -> list[Silence]:
        found = []
        for verdict, group, part in self.zones.verdicts(sizes, series):
            if verdict is Verdict.ALONE:
                self.state[part] = State.FIRING
                found += [self._of_series(one, clock.complete_ns) for one in part.tolist()]
            elif verdict is Verdict.TOGETHER:
                self.state[part] = State.COVERED
                last_ns = max(int(self.hearing.arrival_ns[part].max()), self.began_ns)
                if self.zones.begin(group, last_ns, int(limit_ns[part].max())):
                    found.append(self._of_group(group, sizes, clock))
        return found

    def _of_series(
        self, series: int, time_ns: int, *, row: int = -1, is_over: bool = False, is_final: bool = False
    ) -> Silence:
        if self._condition.after is None:
            limit_ns = max(AUTO_LEAST_NS, AUTO_TIMES * int(self.hearing.gap_ns[series]))
        else:
            limit_ns = self._condition.least_ns
        key, zone = self._index.keys[series], self._index.zones[series]
        return Silence(key, zone, self._since_ns(series), time_ns, limit_ns, is_over, is_final, row)

    def _of_device(self, device: int, time_ns: int, row: int | None = None) -> Silence:
        limit_ns, is_over = self._expected_limit_ns, row is not None
        key = self.expected.key(device)
        return Silence(key, None, self.began_ns, time_ns, limit_ns, is_over, row=-1 if row is None else row)

    def _of_group(self, group: int, sizes: Sizes, clock: ListeningClock, *, is_over: bool = False) -> Silence:
        of = self.zones.groups[group]
        return Silence(
            self.zones.key_of(group),
            self.zones.name_of(group),
            of.since_ns,
            clock.complete_ns,
            of.limit_ns,
            is_over,
            silent=int(sizes.silent[group]),
            sensors=int(sizes.sensors[group]),
        )
