"""The phases of the subjects of one rule: which are pending or firing, and what judged values change.

    ok ──value beyond the bounds──▶ pending ──still so at onset + `for`──▶ firing ──value inside `clear`──▶ ok
                                        └────────value inside the bounds────────▶ ok

Most values change nothing, so they are judged in two steps: numpy finds the subjects whose phase changes, and only
these go one by one through the state machine above. A silent subject keeps its phase. A value that restarts its signal
(`rules.ahead`) ends a pending phase, whose onset is in its future; a firing one remains, and is judged by the value.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules.arrays import Bools, Indices, grown
from rules.bounds import Bounds, Side
from rules.judging import Judged
from store.record import Int64s


class Phase(enum.IntEnum):
    """The phase of a subject for one rule."""

    OK = 0
    PENDING = 1
    FIRING = 2


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that fired (`phase` FIRING) or resolved (OK) with the value at `row` of the batch.

    onset_ns is the time of the first value beyond the bounds; side the bound that was violated when it fired.
    """

    row: int
    subject: int
    time_ns: int
    phase: Phase
    onset_ns: int
    side: Side
    value: float


class Phases:
    """The phase of each subject; nothing but values of a judge changes them."""

    def __init__(self, bounds: Bounds, clear: Bounds, hold_ns: int) -> None:
        self.phase: npt.NDArray[np.int8] = np.empty(0, np.int8)
        self.side: npt.NDArray[np.int8] = np.empty(0, np.int8)
        self.onset_ns: Int64s = np.empty(0, np.int64)
        self._bounds = bounds
        self._clear = clear
        self._hold_ns = hold_ns
        self._active = 0  # the number of pending and firing subjects

    def grow(self, size: int) -> None:
        """Make room for subjects below `size`."""
        self.phase = grown(self.phase, size, Phase.OK)
        self.side = grown(self.side, size, Side.NONE)
        self.onset_ns = grown(self.onset_ns, size, 0)

    def active(self) -> Indices:
        """The pending and firing subjects."""
        return np.flatnonzero(self.phase) if self._active else np.empty(0, np.intp)

    def of(self, phase: Phase) -> Indices:
        """The subjects in this phase."""
        active = self.active()
        found: Indices = active[self.phase[active] == phase]
        return found

    def set(self, subjects: Indices, phase: npt.NDArray[np.int8], side: npt.NDArray[np.int8], onset_ns: Int64s) -> None:
        """Restore a saved phase of these subjects, all of which are ok."""
        self.phase[subjects] = phase
        self.side[subjects] = side
        self.onset_ns[subjects] = onset_ns
        self._active = int(np.count_nonzero(self.phase))

    def evaluate(self, judged: Judged) -> list[Change]:
        """The changes by these values; those of each subject are in order."""
        values = judged.value
        beyond = (values < self._bounds.min) | (values > self._bounds.max)
        if judged.eligible is not None:
            beyond &= judged.eligible
        if not self._active and not beyond.any():
            return []
        eligible = np.ones(len(judged), np.bool_) if judged.eligible is None else judged.eligible
        changing = self._changing(judged, beyond) & eligible
        if judged.anew is not None:
            changing |= judged.anew
        if not changing.any():
            return []
        if judged.repeats:
            # The effect of a subject's later values depends on the change: all its values are stepped.
            changing = np.isin(judged.subject, judged.subject[changing]) & (eligible | changing)
        return self._step_each(judged, eligible, np.flatnonzero(changing))

    def _changing(self, judged: Judged, beyond: Bools) -> Bools:
        """Which values leave the current phase of their subject."""
        phase, values = self.phase[judged.subject], judged.value
        due = judged.time_ns >= self.onset_ns[judged.subject] + self._hold_ns
        clear = (values >= self._clear.min) & (values <= self._clear.max)
        changing: Bools = np.where(phase == Phase.OK, beyond, np.where(phase == Phase.FIRING, clear, ~beyond | due))
        return changing

    def _step_each(self, judged: Judged, eligible: Bools, chosen: Indices) -> list[Change]:
        anew = np.zeros(len(judged), np.bool_) if judged.anew is None else judged.anew
        changes = []
        for row, subject, time_ns, value, starts_anew, is_eligible in zip(
            judged.row[chosen].tolist(),
            judged.subject[chosen].tolist(),
            judged.time_ns[chosen].tolist(),
            judged.value[chosen].tolist(),
            anew[chosen].tolist(),
            eligible[chosen].tolist(),
            strict=True,
        ):
            if starts_anew and self.phase[subject] == Phase.PENDING:
                self._enter(subject, Phase.OK, Side.NONE)
            change = self._step(row, subject, time_ns, value) if is_eligible else None
            if change is not None:
                changes.append(change)
        return changes

    def _step(self, row: int, subject: int, time_ns: int, value: float) -> Change | None:
        """One value through the state machine; returns the change, if there is one to report."""
        phase = Phase(self.phase[subject])
        side = self._bounds.side(value)
        if phase is Phase.FIRING:
            if self._clear.side(value) is not Side.NONE:
                return None
            fired = Side(self.side[subject])
            self._enter(subject, Phase.OK, Side.NONE)
            return Change(row, subject, time_ns, Phase.OK, int(self.onset_ns[subject]), fired, value)
        if side is Side.NONE:
            self._enter(subject, Phase.OK, side)
            return None
        if phase is Phase.OK:
            self.onset_ns[subject] = time_ns
        onset_ns = int(self.onset_ns[subject])
        if time_ns - onset_ns < self._hold_ns:
            self._enter(subject, Phase.PENDING, side)
            return None
        self._enter(subject, Phase.FIRING, side)
        return Change(row, subject, time_ns, Phase.FIRING, onset_ns, side, value)

    def _enter(self, subject: int, phase: Phase, side: Side) -> None:
        self._active += int(phase is not Phase.OK) - int(self.phase[subject] != Phase.OK)
        self.phase[subject] = phase
        self.side[subject] = side
