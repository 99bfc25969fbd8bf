"""One rule over the series of one table: which are pending or firing, and what a batch changes.

    ok ──value beyond the bounds──▶ pending ──still so at onset + `for`──▶ firing ──value inside `clear`──▶ ok
                                        └────────value inside the bounds────────▶ ok

Most samples change nothing, so a batch is judged in two steps: numpy finds the signals whose phase changes, and only
these go one by one through the state machine above. A silent signal keeps its phase. A sample that restarts its signal
(`rules.ahead`) ends a pending phase, whose onset is in its future; a firing one remains, and is judged by the sample.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules.arrays import NEVER, Bools, Float64s, Indices, grown
from rules.conditions import values_of
from rules.rule import ACCOUNT, Rule, Side
from rules.rule_warnings import Work
from rules.samples import Samples
from store.record import Int64s, SeriesIndex, SeriesKey, dimension_values
from store.values.durations import duration_ns

LONGEST_PAUSE_NS = 60 * 10**9
"""A signal that is pending and silent for this long beyond `for` is not one that is measured regularly, presumably."""


class Phase(enum.IntEnum):
    """The phase of a signal for one rule."""

    OK = 0
    PENDING = 1
    FIRING = 2


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that fired (`phase` FIRING) or resolved (OK) with the sample at `row` of the batch.

    onset_ns is the time of the first sample beyond the bounds; side the bound that was violated when it fired.
    """

    row: int
    series: int
    time_ns: int
    phase: Phase
    onset_ns: int
    side: Side
    value: float


class Watch:
    """The state of one rule over all series of one table."""

    def __init__(self, rule: Rule, index: SeriesIndex) -> None:
        self.rule = rule
        self.phase: npt.NDArray[np.int8] = np.empty(0, np.int8)
        self.side: npt.NDArray[np.int8] = np.empty(0, np.int8)
        self.onset_ns: Int64s = np.empty(0, np.int64)
        self._index = index
        self._applies: Bools = np.empty(0, np.bool_)
        self._resolved_upto = 0  # for each series below this id, `where` has been decided
        self._active = 0  # the number of pending and firing signals
        self._hold_ns = duration_ns(rule.hold)
        self.judged = 0  # samples with a value, and without one because of the gap before them (rates only)
        self.too_wide = 0
        self.not_numbers = 0

    def grow(self, size: int) -> None:
        """Make room for the series ids below `size`, all of which are in the index, and decide `where` for new ones."""
        self.phase = grown(self.phase, size, Phase.OK)
        self.side = grown(self.side, size, Side.NONE)
        self.onset_ns = grown(self.onset_ns, size, 0)
        self._applies = grown(self._applies, size, False)
        if size > self._resolved_upto:
            self._applies[self._resolved_upto : size] = _matching(
                self.rule, self._index.keys[self._resolved_upto : size]
            )
            self._resolved_upto = size

    def active(self) -> Indices:
        """The pending and firing series."""
        return np.flatnonzero(self.phase)

    def counts(self) -> tuple[int, int]:
        """The numbers of pending and firing signals."""
        return int(np.count_nonzero(self.phase == Phase.PENDING)), int(np.count_nonzero(self.phase == Phase.FIRING))

    def work(self, newest_ns: Int64s, now_ns: int) -> Work:
        """What the rule has done; `newest_ns` are the times of its signals' newest samples, by series."""
        waiting = 0
        if self._active and self._hold_ns:
            pending = np.flatnonzero(self.phase == Phase.PENDING)
            patience_ns = self._hold_ns + LONGEST_PAUSE_NS
            waiting = int(np.count_nonzero(newest_ns[pending] < now_ns - patience_ns))
        return Work(self.judged, self.too_wide, waiting, self.not_numbers)

    def set(self, series: Indices, phase: npt.NDArray[np.int8], side: npt.NDArray[np.int8], onset_ns: Int64s) -> None:
        """Restore a saved phase of these series, all of which are ok."""
        self.phase[series] = phase
        self.side[series] = side
        self.onset_ns[series] = onset_ns
        self._active = len(self.active())

    def leave_out(self, series: Indices) -> None:
        """Count values of these series that are not numbers, which are not judged."""
        self.not_numbers += int(np.count_nonzero(self._applies[series]))

    def evaluate(self, samples: Samples) -> list[Change]:
        """The changes by these samples; those of each signal are in order."""
        values, judged = values_of(self.rule.condition, samples)
        eligible = self._applies[samples.series]
        if judged is not None:
            mine = int(np.count_nonzero(eligible & (samples.before_ns != NEVER)))
            eligible &= judged
            self.judged += (count := int(np.count_nonzero(eligible)))
            self.too_wide += mine - count
        bounds = self.rule.condition.bounds
        beyond = ((values < bounds.min) | (values > bounds.max)) & eligible
        if not self._active and not beyond.any():
            return []
        changing = self._changing(samples, values, beyond) & eligible
        if samples.anew is not None:
            changing |= samples.anew
        if not changing.any():
            return []
        if samples.repeats:
            # The effect of a signal's later samples depends on the change: all its samples are stepped.
            changing = np.isin(samples.series, samples.series[changing]) & (eligible | changing)
        return self._step_each(samples, values, eligible, np.flatnonzero(changing))

    def _changing(self, samples: Samples, values: Float64s, beyond: Bools) -> Bools:
        """Which samples leave the current phase of their signal."""
        phase = self.phase[samples.series]
        due = samples.time_ns >= self.onset_ns[samples.series] + self._hold_ns
        clear = (values >= self.rule.clear.min) & (values <= self.rule.clear.max)
        changing: Bools = np.where(phase == Phase.OK, beyond, np.where(phase == Phase.FIRING, clear, ~beyond | due))
        return changing

    def _step_each(self, samples: Samples, values: Float64s, eligible: Bools, chosen: Indices) -> list[Change]:
        anew = np.zeros(len(samples), np.bool_) if samples.anew is None else samples.anew
        changes = []
        for row, series, time_ns, value, starts_anew, is_eligible in zip(
            samples.row[chosen].tolist(),
            samples.series[chosen].tolist(),
            samples.time_ns[chosen].tolist(),
            values[chosen].tolist(),
            anew[chosen].tolist(),
            eligible[chosen].tolist(),
            strict=True,
        ):
            if starts_anew and self.phase[series] == Phase.PENDING:
                self._enter(series, Phase.OK, Side.NONE)
            change = self._step(row, series, time_ns, value) if is_eligible else None
            if change is not None:
                changes.append(change)
        return changes

    def _step(self, row: int, series: int, time_ns: int, value: float) -> Change | None:
        """One sample through the state machine; returns the change, if there is one to report."""
        phase = Phase(self.phase[series])
        side = self.rule.condition.bounds.side(value)
        if phase is Phase.FIRING:
            if self.rule.clear.side(value) is not Side.NONE:
                return None
            fired = Side(self.side[series])
            self._enter(series, Phase.OK, Side.NONE)
            return Change(row, series, time_ns, Phase.OK, int(self.onset_ns[series]), fired, value)
        if side is Side.NONE:
            self._enter(series, Phase.OK, side)
            return None
        if phase is Phase.OK:
            self.onset_ns[series] = time_ns
        onset_ns = int(self.onset_ns[series])
        if time_ns - onset_ns < self._hold_ns:
            self._enter(series, Phase.PENDING, side)
            return None
        self._enter(series, Phase.FIRING, side)
        return Change(row, series, time_ns, Phase.FIRING, onset_ns, side, value)

    def _enter(self, series: int, phase: Phase, side: Side) -> None:
        self._active += int(phase is not Phase.OK) - int(self.phase[series] != Phase.OK)
        self.phase[series] = phase
        self.side[series] = side


def _matching(rule: Rule, keys: Sequence[SeriesKey]) -> Bools:
    """Which series `where` includes."""
    found = np.ones(len(keys), np.bool_)
    for name, wanted in rule.where.items():
        if name != ACCOUNT:
            found &= [value in wanted for value in dimension_values(keys, name)]
    return found
