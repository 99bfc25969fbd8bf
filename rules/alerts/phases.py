"""The phases of the subjects of one level of a rule: which are pending or firing, and what judged values change.

    ok ──value beyond the bounds──▶ pending ──still so for `for`──▶ firing ──inside `clear` for `clear_for`──▶ ok
                                        └────value inside the bounds────▶ ok

Most values change nothing, so they are judged in two steps: numpy finds the subjects whose state changes, and only
these go one by one through the state machine above. A silent subject keeps its phase. A value that restarts its signal
(`rules.values.ahead`) ends a pending phase, whose onset is in its future, and a recovery; a firing subject remains, and
is judged by the value.

What only some rules need is kept only for these: the number of samples, the recovery of a firing subject, and how often
it fired.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules.definition.bands import Normal, Timetable
from rules.definition.level import Level
from rules.kinds.judging import Judged
from rules.saved.state import PhaseState
from rules.values.arrays import NEVER, Bools, Indices, grown, packed, unpacked
from store.record import Int64s


class Phase(enum.IntEnum):
    """The phase of a subject for one level of a rule."""

    OK = 0
    PENDING = 1
    FIRING = 2


_OK, _PENDING, _FIRING = Phase  # Python 3.11 finds a member of an enum by a slow call


@dataclass(frozen=True, slots=True)
class Change:
    """A level fired (`phase` FIRING) or resolved (OK) with the value at `row` of the batch.

    onset_ns  the time of the first value beyond the bounds
    bound     the bound that is violated when it fires, as "min" or "max" and its value; None when it resolves
    """

    row: int
    subject: int
    time_ns: int
    phase: Phase
    onset_ns: int
    value: float
    bound: tuple[str, float] | None


class Phases:
    """The phase of each subject; nothing changes it but values of a judge, and `end`."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.phase: npt.NDArray[np.int8] = np.empty(0, np.int8)
        self.onset_ns: Int64s = np.empty(0, np.int64)
        self._timetable = Timetable(level.limits)
        self._counts = bool(level.hold.samples or level.clear_for.samples)
        self._recovers = bool(level.clear_for.ns or level.damping)
        self._keeps = bool(level.keep_ns)
        self._count: npt.NDArray[np.int32] = np.empty(0, np.int32)  # successive values that count for a change
        self._clear_ns: Int64s = np.empty(0, np.int64)  # of the first successive value inside `clear`; NEVER
        self._normal_ns: Int64s = np.empty(0, np.int64)  # of the first successive value inside the bounds; NEVER
        self._fired_ns: dict[int, list[int]] = {}  # the newest firings of each subject, if damped
        self._active = 0  # the number of pending and firing subjects

    def grow(self, size: int) -> None:
        """Make room for subjects below `size`."""
        self.phase = grown(self.phase, size, _OK)
        self.onset_ns = grown(self.onset_ns, size, 0)
        if self._counts:
            self._count = grown(self._count, size, 0)
        if self._recovers:
            self._clear_ns = grown(self._clear_ns, size, NEVER)
        if self._keeps:
            self._normal_ns = grown(self._normal_ns, size, NEVER)

    def active(self) -> Indices:
        """The pending and firing subjects."""
        return np.flatnonzero(self.phase) if self._active else np.empty(0, np.intp)

    def of(self, phase: Phase) -> Indices:
        """The subjects in this phase."""
        active = self.active()
        found: Indices = active[self.phase[active] == phase]
        return found

    def flapping(self) -> int:
        """How many firing subjects fired so often that they resolve later."""
        return sum(self.phase[subject] == _FIRING and self._flaps(subject) for subject in self._fired_ns)

    def snapshot(self) -> PhaseState:
        """The saved form; subjects are ids."""
        active = self.active()
        none = np.empty(0, np.int64)
        fired = [(subject, time_ns) for subject, times in self._fired_ns.items() for time_ns in times]
        return PhaseState(
            packed(active, np.uint32),
            packed(self.phase[active], np.int8),
            packed(self.onset_ns[active], np.int64),
            packed(self._count[active] if self._counts else none, np.int32),
            packed(self._clear_ns[active] if self._recovers else none, np.int64),
            packed(self._normal_ns[active] if self._keeps else none, np.int64),
            packed(np.array([subject for subject, _ in fired], np.int64), np.uint32),
            packed(np.array([time_ns for _, time_ns in fired], np.int64), np.int64),
        )

    def restore(self, state: PhaseState, ids: Indices) -> None:
        """Restore a saved state of a level with the same definition; `ids` are the subjects by their saved index."""
        subjects = ids[unpacked(state.subject, np.uint32)]
        self.phase[subjects] = unpacked(state.phase, np.int8)
        self.onset_ns[subjects] = unpacked(state.onset_ns, np.int64)
        if state.count:
            self._count[subjects] = unpacked(state.count, np.int32)
        if state.clear_ns:
            self._clear_ns[subjects] = unpacked(state.clear_ns, np.int64)
        if state.normal_ns:
            self._normal_ns[subjects] = unpacked(state.normal_ns, np.int64)
        of_fired = ids[unpacked(state.fired_subject, np.uint32)].tolist()
        for subject, time_ns in zip(of_fired, unpacked(state.fired_ns, np.int64).tolist(), strict=True):
            self._fired_ns.setdefault(subject, []).append(time_ns)
        self._active = int(np.count_nonzero(self.phase))

    def end(self, subject: int) -> bool:
        """The subject is neither pending nor firing any more; returns whether it was."""
        was_active = bool(self.phase[subject] != _OK)
        if was_active:
            self._enter(subject, _OK)
        return was_active

    def evaluate(self, judged: Judged) -> list[Change]:
        """The changes by these values; those of each subject are in order."""
        normal, values = self._timetable.at(judged.time_ns), judged.value
        if judged.slack is not None:
            normal = normal.wider(judged.slack)
        beyond: Bools = (values < normal.min) | (values > normal.max)
        if judged.eligible is not None:
            beyond &= judged.eligible
        if not self._active and not beyond.any():
            return []
        changing = self._changing(judged, normal, beyond)
        if judged.eligible is not None:
            changing &= judged.eligible
        if judged.anew is not None:
            changing |= judged.anew
        if not changing.any():
            return []
        if judged.repeats:
            # The effect of a subject's later values depends on the change: all its values are stepped.
            all_of = np.isin(judged.subject, judged.subject[changing])
            changing |= all_of if judged.eligible is None else all_of & judged.eligible
        return self._step_each(judged, normal, np.flatnonzero(changing))

    def _changing(self, judged: Judged, normal: Normal, beyond: Bools) -> Bools:
        """Which values change the state of their subject."""
        values, time_ns, subject = judged.value, judged.time_ns, judged.subject
        phase = self.phase[subject]
        clear = (values >= normal.clear_min) & (values <= normal.clear_max)
        if self.level.hold.samples:
            leaves_pending = np.ones(len(values), np.bool_)  # each one counts
        else:
            leaves_pending = ~beyond | (time_ns >= self.onset_ns[subject] + self.level.hold.ns)
        leaves_firing = clear
        if self._recovers:
            leaves_firing = clear | (self._clear_ns[subject] != NEVER)
        if self._keeps:
            leaves_firing = leaves_firing | ~beyond | (self._normal_ns[subject] != NEVER)
        if self.level.clear_for.samples:
            leaves_firing = leaves_firing | (self._count[subject] != 0)
        changing: Bools = np.where(phase == _OK, beyond, np.where(phase == _FIRING, leaves_firing, leaves_pending))
        return changing

    def _step_each(self, judged: Judged, normal: Normal, chosen: Indices) -> list[Change]:
        count = len(judged)
        anew = np.zeros(count, np.bool_) if judged.anew is None else judged.anew
        eligible = np.ones(count, np.bool_) if judged.eligible is None else judged.eligible
        lasting = np.zeros(count, np.bool_) if judged.lasting is None else judged.lasting
        changes = []
        for row, subject, time_ns, value, starts_anew, is_eligible, lasts, bounds in zip(
            judged.row[chosen].tolist(),
            judged.subject[chosen].tolist(),
            judged.time_ns[chosen].tolist(),
            judged.value[chosen].tolist(),
            anew[chosen].tolist(),
            eligible[chosen].tolist(),
            lasting[chosen].tolist(),
            normal.each(chosen, count),
            strict=True,
        ):
            if starts_anew:
                self._forget_past(subject)
            change = self._step(row, subject, time_ns, value, bounds, lasts=lasts) if is_eligible else None
            if change is not None:
                changes.append(change)
        return changes

    def _forget_past(self, subject: int) -> None:
        """What is in the future of a signal that restarts."""
        if self.phase[subject] == _PENDING:
            self._enter(subject, _OK)
        self._forget_recovery(subject)
        self._fired_ns.pop(subject, None)

    def _step(
        self, row: int, subject: int, time_ns: int, value: float, normal: Normal, *, lasts: bool
    ) -> Change | None:
        """One value through the state machine; returns the change, if there is one to report."""
        phase = self.phase.item(subject)
        is_beyond = value < normal.min or value > normal.max
        if phase == _FIRING:
            is_clear = normal.clear_min <= value <= normal.clear_max
            if not self._is_over(subject, time_ns, is_clear=is_clear, is_beyond=is_beyond, lasts=lasts):
                return None
            self._enter(subject, _OK)
            return Change(row, subject, time_ns, _OK, int(self.onset_ns[subject]), value, None)
        if not is_beyond:
            if phase == _PENDING:
                self._enter(subject, _OK)
            return None
        if phase == _OK:
            self.onset_ns[subject] = time_ns
            self._enter(subject, _PENDING)
        onset_ns = int(self.onset_ns[subject])
        if self.level.hold.samples and not lasts:
            self._count[subject] += 1
        if time_ns - onset_ns < self.level.hold.ns or (self._counts and self._count[subject] < self.level.hold.samples):
            return None
        self._enter(subject, _FIRING)
        self._note_firing(subject, time_ns)
        bound = ("min", normal.min) if value < normal.min else ("max", normal.max)
        return Change(row, subject, time_ns, _FIRING, onset_ns, value, bound)

    def _is_over(self, subject: int, time_ns: int, *, is_clear: bool, is_beyond: bool, lasts: bool) -> bool:
        """Whether a firing subject resolves with this value; what it has recovered so far is kept."""
        level, is_over = self.level, is_clear
        if self._keeps:
            if is_beyond:
                self._normal_ns[subject] = NEVER
            elif self._normal_ns[subject] == NEVER:
                self._normal_ns[subject] = time_ns
            is_over &= not is_beyond and time_ns - int(self._normal_ns[subject]) >= level.keep_ns
        if level.clear_for.samples:
            self._count[subject] = self._count[subject] + (not lasts) if is_clear else 0
            is_over &= bool(self._count[subject] >= level.clear_for.samples)
        if self._recovers:
            if not is_clear:
                self._clear_ns[subject] = NEVER
            elif self._clear_ns[subject] == NEVER:
                self._clear_ns[subject] = time_ns
            is_over = is_over and time_ns - int(self._clear_ns[subject]) >= self._recovery_ns(subject)
        return is_over

    def _recovery_ns(self, subject: int) -> int:
        """How long values must be inside `clear`: longer for a subject that flaps."""
        damping, least_ns = self.level.damping, self.level.clear_for.ns
        return least_ns if damping is None or not self._flaps(subject) else max(least_ns, damping.within_ns)

    def _flaps(self, subject: int) -> bool:
        damping = self.level.damping
        return damping is not None and len(self._fired_ns.get(subject, ())) >= damping.fires

    def _note_firing(self, subject: int, time_ns: int) -> None:
        damping = self.level.damping
        if damping is not None:
            recent = [fired for fired in self._fired_ns.get(subject, ()) if fired > time_ns - damping.within_ns]
            self._fired_ns[subject] = [*recent, time_ns][-damping.fires :]

    def _enter(self, subject: int, phase: Phase) -> None:
        self._active += int(phase is not _OK) - int(self.phase.item(subject) != _OK)
        self.phase[subject] = phase
        self._forget_recovery(subject)

    def _forget_recovery(self, subject: int) -> None:
        if self._counts:
            self._count[subject] = 0
        if self._recovers:
            self._clear_ns[subject] = NEVER
        if self._keeps:
            self._normal_ns[subject] = NEVER
