"""Which subjects of a rule have no data (`rules.definition.no_data`): when each was heard, and what that changes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules.definition.no_data import NoData
from rules.values.arrays import NEVER, Arrays, Indices, packed, unpacked
from store.record import Int64s, SeriesKey

VERSION = 1


class Known(enum.IntEnum):
    """What is known of the readings of a subject."""

    COMING = 0
    ABSENT = 1
    ALERTED = 2  # absent, and there is an alert of that


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Readings of one measure: subjects and times of arrival, by the host's clock and on the listening clock."""

    row: Indices
    subject: Indices
    time_ns: Int64s
    arrival_ns: Int64s


@dataclass(frozen=True, slots=True)
class Absence:
    """The readings of a subject are absent, or (`is_over`) come again.

    row        of the batch, with the reading that ended it; -1: a tick
    since_ns   the arrival of the last reading
    """

    row: int
    subject: int
    time_ns: int
    since_ns: int
    is_over: bool


class Readings:
    """When the subjects of one rule were heard, by measure, and which of them have no data."""

    def __init__(self, no_data: NoData, measures: int) -> None:
        self.no_data = no_data
        self.known: npt.NDArray[np.int8] = np.empty(0, np.int8)
        self._time_ns = np.empty((measures, 0), np.int64)
        self._arrival_ns = np.empty((measures, 0), np.int64)
        self._since_ns: dict[int, int] = {}  # of those with an alert
        self._next_ns = 0  # before this, nothing is due

    def grow(self, size: int) -> None:
        """Make room for subjects below `size`."""
        more = size - len(self.known)
        if more > 0:
            more += size // 4 + 16
            self.known = np.append(self.known, np.zeros(more, np.int8))
            never = np.full((len(self._time_ns), more), NEVER, np.int64)
            self._time_ns = np.concatenate([self._time_ns, never], axis=1)
            self._arrival_ns = np.concatenate([self._arrival_ns, never], axis=1)

    def hear(self, measures: Sequence[Heard]) -> list[Absence]:
        """What these readings end, in the order of the log: of each alert one."""
        ended = self._ended(measures) if self.known.any() else []
        for time_ns, arrival_ns, heard in zip(self._time_ns, self._arrival_ns, measures, strict=True):
            time_ns[heard.subject] = heard.time_ns  # of a subject that occurs more than once, the last one stays
            arrival_ns[heard.subject] = heard.arrival_ns
        return ended

    def _ended(self, measures: Sequence[Heard]) -> list[Absence]:
        back = sorted(
            (int(heard.row[at]), place, int(heard.subject[at]), int(heard.time_ns[at]), int(heard.arrival_ns[at]))
            for place, heard in enumerate(measures)
            for at in np.flatnonzero(self.known[heard.subject]).tolist()
        )
        found = []
        for row, place, subject, time_ns, arrival_ns in back:
            self._time_ns[place, subject], self._arrival_ns[place, subject] = time_ns, arrival_ns
            if self._time_ns[:, subject].min() + self.no_data.after_ns > time_ns:
                self.known[subject] = Known.COMING
                since_ns = self._since_ns.pop(subject, None)
                if since_ns is not None:
                    found.append(Absence(row, subject, arrival_ns, since_ns, is_over=True))
        return found

    def due(self, now_ns: int) -> list[int]:
        """The subjects that have no data from now on, by the listening clock."""
        if now_ns < self._next_ns:
            return []
        deadline_ns = self._time_ns.min(axis=0) + self.no_data.after_ns
        waiting = (self._time_ns != NEVER).all(axis=0) & (self.known == Known.COMING)
        due = np.flatnonzero(waiting & (deadline_ns <= now_ns))
        self.known[due] = Known.ABSENT
        waiting[due] = False
        self._next_ns = min(now_ns + self.no_data.after_ns, int(deadline_ns[waiting].min(initial=1 << 62)))
        return [int(subject) for subject in due]

    def alert(self, subject: int) -> int:
        """There is an alert of its absence; returns since when: the arrival of what was heard longest ago."""
        since_ns = int(self._arrival_ns[self._time_ns[:, subject].argmin(), subject])
        self.known[subject] = Known.ALERTED
        self._since_ns[subject] = since_ns
        return since_ns

    def alerted(self) -> list[int]:
        """The subjects with an alert."""
        return sorted(self._since_ns)

    def snapshot(self) -> Arrays:
        """Its saved form."""
        heard = np.flatnonzero((self._time_ns != NEVER).any(axis=0))
        alerted = self.alerted()
        return {
            "subject": packed(heard, np.uint32),
            "known": packed(self.known[heard], np.int8),
            "time_ns": packed(self._time_ns[:, heard], np.int64),
            "arrival_ns": packed(self._arrival_ns[:, heard], np.int64),
            "alerted": packed(np.array(alerted, np.int64), np.uint32),
            "since_ns": packed(np.array([self._since_ns[subject] for subject in alerted], np.int64), np.int64),
        }

    def restore(self, arrays: Arrays, ids: Indices) -> None:
        """Restore a saved state; `ids` are the subjects by their saved index. May raise KeyError or ValueError."""
        subject = ids[unpacked(arrays["subject"], np.uint32)]
        shape = len(self._time_ns), len(subject)
        self.known[subject] = unpacked(arrays["known"], np.int8)
        self._time_ns[:, subject] = unpacked(arrays["time_ns"], np.int64).reshape(shape)
        self._arrival_ns[:, subject] = unpacked(arrays["arrival_ns"], np.int64).reshape(shape)
        self._since_ns = {int(ids[place]): since_ns for place, since_ns in saved_absences(arrays)}


def absence_key(subject: SeriesKey) -> SeriesKey:
    """What an alert of the absence of a subject's readings is about."""
    return SeriesKey(subject.dimensions, f"{subject.measure_name}\0no_data")


def saved_absences(arrays: Arrays) -> list[tuple[int, int]]:
    """The alerts of a saved state: the saved index of the subject, and since when."""
    subjects = unpacked(arrays.get("alerted", b""), np.uint32).tolist()
    return list(zip(subjects, unpacked(arrays.get("since_ns", b""), np.int64).tolist(), strict=True))
