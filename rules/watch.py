"""One rule over one table: its judge, the phases of its subjects, and what it has done."""

from __future__ import annotations

import numpy as np

from rules.arrays import Indices
from rules.judging import Inputs
from rules.phases import Change, Phase, Phases
from rules.rule import Rule
from rules.rule_warnings import Work
from rules.selection import Selection
from store.record import Int64s, SeriesIndex
from store.values.durations import duration_ns

LONGEST_PAUSE_NS = 60 * 10**9
"""A signal that is pending and silent for this long beyond `for` is not one that is measured regularly, presumably."""


class Watch:
    """The state of one rule over one table."""

    def __init__(self, rule: Rule, index: SeriesIndex) -> None:
        self.rule = rule
        self.judge = rule.condition.build(rule.measure, index)
        self._hold_ns = duration_ns(rule.hold)
        self.phases = Phases(rule.condition.bounds, rule.clear, self._hold_ns)
        self._selection = Selection(rule.where, index)
        self._index = index
        self._judged = 0
        self._too_wide = 0
        self._not_numbers = 0

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
        self.phases.grow(len(self.judge.subjects))

    def evaluate(self, inputs: Inputs) -> list[Change]:
        """The changes by one batch; those of each subject are in order."""
        judged = self.judge.evaluate(inputs, self._selection)
        if judged is None:
            return []
        self._judged += judged.judged
        self._too_wide += judged.too_wide
        self.phases.grow(len(self.judge.subjects))
        return self.phases.evaluate(judged)

    def leave_out(self, series: Indices) -> None:
        """Count values of these series that are not numbers, which are not judged."""
        included = self._selection.of(series)
        self._not_numbers += len(series) if included is None else int(np.count_nonzero(included))

    def counts(self) -> tuple[int, int]:
        """The numbers of pending and firing subjects."""
        return len(self.phases.of(Phase.PENDING)), len(self.phases.of(Phase.FIRING))

    def work(self, newest_ns: Int64s | None, now_ns: int) -> Work:
        """What the rule has done; `newest_ns` are the times of its subjects' newest samples, if these are known."""
        waiting = 0
        if self._hold_ns and newest_ns is not None:
            patience_ns = self._hold_ns + LONGEST_PAUSE_NS
            waiting = int(np.count_nonzero(newest_ns[self.phases.of(Phase.PENDING)] < now_ns - patience_ns))
        return Work(self._judged, self._too_wide, waiting, self._not_numbers)
