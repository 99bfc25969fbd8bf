"""One rule over one table: its judge, its levels, its firing alerts, and what it has done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from rules.alerts.absence import Absence, Heard, Readings
from rules.alerts.phases import Phase, Phases
from rules.alerts.raised import Event, RaisedAlerts, Turn
from rules.alerts.reason import Reason
from rules.definition.no_data import Then
from rules.definition.selection import Selection
from rules.kinds.judging import Inputs, Judged
from rules.kinds.kind import Judging
from rules.rule import Rule
from rules.rule_warnings import Work
from rules.values.arrays import Indices
from rules.values.listening import GONE_NS, ListeningClock
from rules.values.samples import Rows
from store.record import Int64s, SeriesIndex

LONGEST_PAUSE_NS = 60 * 10**9
"""A signal that is pending and silent for this long beyond `for` is not one that is measured regularly, presumably."""


class Watch:
    """The state of one rule over one table."""

    def __init__(self, rule: Rule, condition: Judging, index: SeriesIndex) -> None:
        self.rule = rule
        self.judge = condition.build(rule.measure, index)
        self.levels = tuple(Phases(level) for level in rule.levels)
        self.raised = RaisedAlerts()
        of = rule.no_data
        self.readings = None if of is None or of.then is Then.KEEP else Readings(of, len(rule.measures))
        self._selection = Selection(rule.where, index)
        self._index = index
        self.observe: Callable[[Judged], None] | None = None  # told of all values, after they were judged
        self._judged = 0
        self._too_wide = 0
        self._not_numbers = 0
        self._undefined = 0

    @property
    def subjects(self) -> SeriesIndex:
        """What its alerts are about."""
        return self.judge.subjects

    @property
    def is_of_series(self) -> bool:
        """Whether its subjects are the series of the table."""
        return self.judge.subjects is self._index

    def grow(self, size: int) -> None:
        """Make room for the series below `size`, all of which are in the index."""
        self._selection.grow(size)
        self.judge.grow(size)
        self._grow_levels()

    def hear(self, inputs: Inputs) -> list[Event]:
        """The events because readings come again, whether they are judged or not; called before `evaluate`."""
        if self.readings is None:
            return []
        heard = [self._heard(inputs, inputs.given[measure]) for measure in self.rule.measures]
        self._grow_levels()
        return [self._of_absence(absence) for absence in self.readings.hear(heard)]

    def _heard(self, inputs: Inputs, rows: Rows | None) -> Heard:
        """The readings of one measure, with their subjects. Replayed dead letters arrived long ago."""
        if rows is None:
            return Heard(*(np.empty(0, np.int64) for _ in range(4)))
        if inputs.batch.again:
            rows = rows.of(rows.arrival_ns > inputs.clock.complete_ns - GONE_NS)
        included = self._selection.of(rows.series)
        rows = rows if included is None else rows.of(included)
        time_ns = inputs.clock.times_of(rows.arrival_ns)
        parts = []
        for subject in self.judge.subjects_of(rows.series):
            there = subject >= 0
            parts.append((rows.row[there], subject[there], time_ns[there], rows.arrival_ns[there]))
        return Heard(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def active(self) -> list[int]:
        """The subjects that are pending or firing at some level."""
        return sorted({subject for level in self.levels for subject in level.active().tolist()})

    def tick(self, clock: ListeningClock, waits_ns: int = 0) -> list[Event]:
        """The events by time, in no order that matters. waits_ns: how long samples may wait before they are judged."""
        found = self.follow(self.judge.tick(clock.listened_ns - waits_ns, self.active))
        return found if self.readings is None else [*found, *self._miss(self.readings, clock)]

    def _miss(self, readings: Readings, clock: ListeningClock) -> Iterator[Event]:
        """The events because readings are absent."""
        for subject in readings.due(clock.listened_ns):
            if readings.no_data.then is Then.RESOLVE:
                event = self.raised.end(subject, clock.complete_ns, Reason.NO_DATA)
                for level in self.levels:
                    level.end(subject)
                if event is not None:
                    yield event
            elif self.raised.get(subject) is None:
                since_ns = readings.alert(subject)
                yield self._of_absence(Absence(-1, subject, clock.complete_ns, since_ns, is_over=False))

    def _of_absence(self, absence: Absence) -> Event:
        """Absence is an alert of the most severe level, as if a value were beyond all bounds."""
        turn, level = Turn.OVER if absence.is_over else Turn.FIRED, len(self.levels) - 1
        return Event(
            *(absence.row, absence.subject, absence.time_ns, turn, absence.since_ns, level, None, math.nan),
            reason=Reason.NO_DATA,
        )

    def evaluate(self, inputs: Inputs) -> list[Event]:
        """The events by one batch; those of each subject are in order."""
        return self.follow(self.judge.evaluate(inputs, self._selection))

    def follow(self, judged: Judged | None) -> list[Event]:
        """The events by these values."""
        if judged is None:
            return []
        events = self._follow(judged)
        if self.observe is not None:
            self.observe(judged)
        return events

    def _follow(self, judged: Judged) -> list[Event]:
        self._judged += judged.judged
        self._too_wide += judged.too_wide
        self._undefined += judged.undefined
        self._grow_levels()
        changes = [level.evaluate(judged) for level in self.levels]
        events = self.raised.follow(changes) if any(changes) else []
        if not judged.facts:
            return events
        return [replace(event, facts=judged.facts.get((event.subject, event.time_ns), {})) for event in events]

    def _grow_levels(self) -> None:
        size = len(self.judge.subjects)
        for level in self.levels:
            level.grow(size)
        if self.readings is not None:
            self.readings.grow(size)

    def leave_out(self, series: Indices) -> None:
        """Count values of these series that are not numbers, which are not judged."""
        included = self._selection.of(series)
        self._not_numbers += len(series) if included is None else int(np.count_nonzero(included))

    def pending(self) -> list[int]:
        """The subjects that are pending at some level, and firing at none."""
        found = {subject for level in self.levels for subject in level.of(Phase.PENDING).tolist()}
        return sorted(subject for subject in found if self.raised.get(subject) is None)

    def onset_ns(self, subject: int) -> int:
        """Since when a pending subject is beyond the bounds of its least severe level that is pending."""
        return next(int(level.onset_ns[subject]) for level in self.levels if level.phase[subject] == Phase.PENDING)

    def firing(self) -> list[int]:
        """The subjects with an alert."""
        absent = () if self.readings is None else self.readings.alerted()
        return sorted({*(subject for subject, _ in self.raised.items()), *absent})

    def counts(self) -> tuple[int, int]:
        """The numbers of pending subjects and of firing alerts."""
        firing = len(self.raised) + (0 if self.readings is None else len(self.readings.alerted()))
        pending = len(self.levels[0].of(Phase.PENDING)) if len(self.levels) == 1 else len(self.pending())
        return pending, firing

    def work(self, newest_ns: Int64s | None, now_ns: int) -> Work:
        """What the rule has done; `newest_ns` are the times of its subjects' newest samples, if these are known."""
        waiting = 0
        hold_ns = max(level.hold.ns for level in self.rule.levels)
        if hold_ns and newest_ns is not None:
            pending = np.array(self.pending(), np.intp)
            waiting = int(np.count_nonzero(newest_ns[pending] < now_ns - hold_ns - LONGEST_PAUSE_NS))
        flapping = sum(level.flapping() for level in self.levels)
        return Work(self._judged, self._too_wide, waiting, self._not_numbers, self._undefined, flapping=flapping)
