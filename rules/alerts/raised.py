"""The firing alerts of one rule: one for each subject, at the most severe of its levels that fire.

    a level fires, none did ▶ fired      another one is the most severe now ▶ changed      none fires any more ▶ over

The alert has the onset of the level that fired first, of the least severe one if these are several, and so its id stays
the same when its level changes.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import numpy as np

from rules.alerts.phases import Change, Phase
from rules.alerts.reason import Reason
from rules.kinds.judging import Facts
from rules.saved.state import AlertState
from rules.values.arrays import Indices, packed, unpacked


class Turn(enum.Enum):
    """What happens to an alert."""

    FIRED = enum.auto()
    CHANGED = enum.auto()
    OVER = enum.auto()


_FIRING = Phase.FIRING  # Python 3.11 finds a member of an enum by a slow call
_FIRED, _CHANGED, _OVER = Turn


@dataclass(slots=True)
class Raised:
    """A firing alert. bounds: of each level that fires, the bound that was violated then."""

    onset_ns: int
    bounds: dict[int, tuple[str, float]] = field(default_factory=dict)

    @property
    def level(self) -> int:
        """The most severe level that fires."""
        return max(self.bounds)


@dataclass(frozen=True, slots=True)
class Event:
    """A turn of an alert, at the row of the batch whose value caused it; -1: a tick did.

    level, bound  those that it has from now on, or had last; `bound` is None for an alert of absence (`no_data`)
    value         NaN if no value caused it
    reason        why it turned without a value
    facts         what else is known of the value
    """

    row: int
    subject: int
    time_ns: int
    turn: Turn
    onset_ns: int
    level: int
    bound: tuple[str, float] | None
    value: float
    reason: Reason | None = None
    facts: Facts = field(default_factory=dict)


class RaisedAlerts:
    """The firing alerts of one rule, by subject."""

    def __init__(self) -> None:
        self._of: dict[int, Raised] = {}

    def __len__(self) -> int:
        return len(self._of)

    def items(self) -> Iterable[tuple[int, Raised]]:
        """The alerts with their subjects."""
        return self._of.items()

    def get(self, subject: int) -> Raised | None:
        """The alert of a subject."""
        return self._of.get(subject)

    def follow(self, changes: Sequence[Iterable[Change]]) -> list[Event]:
        """The events by the changes of each level, which are in order."""
        flat = [
            ((change.row, change.subject, change.time_ns), level, change)
            for level, of in enumerate(changes)
            for change in of
        ]
        if len(changes) > 1:
            flat.sort(key=itemgetter(0))
        found = (self._turn([item[1:] for item in of]) for _, of in groupby(flat, itemgetter(0)))
        return [event for event in found if event is not None]

    def _turn(self, changes: Sequence[tuple[int, Change]]) -> Event | None:
        """The event by the changes at one row and time, all of one subject. A level may only change once there.

        One row has several times if it closes several windows.
        """
        subject, first = changes[0][1].subject, changes[0][1]
        raised = self._of.get(subject)
        before = None if raised is None else (raised.level, raised.bounds[raised.level])
        for level, change in changes:
            if change.phase is _FIRING and change.bound is not None:
                if raised is None:
                    raised = self._of[subject] = Raised(change.onset_ns)
                raised.bounds[level] = change.bound
            elif raised is not None:
                raised.bounds.pop(level, None)
        if raised is None:
            return None
        if not raised.bounds:
            del self._of[subject]
        after = (raised.level, raised.bounds[raised.level]) if raised.bounds else None
        shown = after or before
        if shown is None or (before is not None and after is not None and before[0] == after[0]):
            return None
        turn = _FIRED if before is None else _CHANGED if after is not None else _OVER
        return Event(first.row, subject, first.time_ns, turn, raised.onset_ns, *shown, first.value)

    def end(self, subject: int, time_ns: int, reason: Reason) -> Event | None:
        """The alert of a subject is over without a value; None if it has none."""
        raised = self._of.pop(subject, None)
        if raised is None:
            return None
        level, bound = raised.level, raised.bounds[raised.level]
        return Event(-1, subject, time_ns, Turn.OVER, raised.onset_ns, level, bound, math.nan, reason)

    def snapshot(self) -> AlertState:
        """The saved form: a row for each level that fires."""
        rows = [
            (subject, level, raised.onset_ns, name == "max", bound)
            for subject, raised in self._of.items()
            for level, (name, bound) in raised.bounds.items()
        ]
        subject, level, onset_ns, is_max, bound = zip(*rows, strict=True) if rows else ((), (), (), (), ())
        return AlertState(
            packed(np.array(subject, np.int64), np.uint32),
            packed(np.array(level, np.int8), np.int8),
            packed(np.array(onset_ns, np.int64), np.int64),
            packed(np.array(is_max, np.int8), np.int8),
            packed(np.array(bound, np.float64), np.float64),
        )

    def restore(self, state: AlertState, ids: Indices) -> None:
        """Restore saved alerts; `ids` are the subjects by their saved index."""
        self._of = {int(ids[place]): raised for place, raised in saved_alerts(state).items()}


def saved_alerts(state: AlertState) -> dict[int, Raised]:
    """The alerts by the saved index of their subject."""
    found: dict[int, Raised] = {}
    for subject, level, onset_ns, is_max, bound in zip(
        unpacked(state.subject, np.uint32).tolist(),
        unpacked(state.level, np.int8).tolist(),
        unpacked(state.onset_ns, np.int64).tolist(),
        unpacked(state.is_max, np.int8).tolist(),
        unpacked(state.bound, np.float64).tolist(),
        strict=True,
    ):
        found.setdefault(subject, Raised(onset_ns)).bounds[level] = ("max" if is_max else "min", bound)
    return found
