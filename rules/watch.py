"""One rule over one table: its judge, its levels, its firing alerts, and what it has done."""

from __future__ import annotations

import numpy as np

from rules.arrays import Indices
from rules.judging import Inputs
from rules.kinds.kind import Judging
from rules.phases import Phase, Phases
from rules.raised import Event, RaisedAlerts
from rules.rule import Rule
from rules.rule_warnings import Work
from rules.selection import Selection
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
        self._selection = Selection(rule.where, index)
        self._index = index
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

    def evaluate(self, inputs: Inputs) -> list[Event]:
        """The events by one batch; those of each subject are in order."""
        judged = self.judge.evaluate(inputs, self._selection)
        if judged is None:
            return []
        self._judged += judged.judged
        self._too_wide += judged.too_wide
        self._undefined += judged.undefined
        self._grow_levels()
        changes = [level.evaluate(judged) for level in self.levels]
        return self.raised.follow(changes) if any(changes) else []

    def _grow_levels(self) -> None:
        for level in self.levels:
            level.grow(len(self.judge.subjects))

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

    def counts(self) -> tuple[int, int]:
        """The numbers of pending and firing subjects."""
        if len(self.levels) == 1:
            return len(self.levels[0].of(Phase.PENDING)), len(self.raised)
        return len(self.pending()), len(self.raised)

    def work(self, newest_ns: Int64s | None, now_ns: int) -> Work:
        """What the rule has done; `newest_ns` are the times of its subjects' newest samples, if these are known."""
        waiting = 0
        hold_ns = max(level.hold.ns for level in self.rule.levels)
        if hold_ns and newest_ns is not None:
            pending = np.array(self.pending(), np.intp)
            waiting = int(np.count_nonzero(newest_ns[pending] < now_ns - hold_ns - LONGEST_PAUSE_NS))
        return Work(self._judged, self._too_wide, waiting, self._not_numbers, self._undefined)
