"""Samples whose time is ahead of their arrival, and how a signal recovers from one.

If a device's clock was wrong for a moment, or the host's clock was set back, the newest time of a signal is in the
future; with the rule "not later than the newest" everything after it would be late until then. So, for each signal:

- A sample whose time is at most TOLERANCE later than its arrival is *sound*, any other is *ahead*. Each kind has its
  own newest time, its *mark*: a sound sample is late if it is not later than the sound mark; one that is ahead, if it
  is not later than either mark.
- A mark was wrong if, at the arrival of a sample, it is in the future by more than TOLERANCE and more than twice as far
  as the sample itself: then it makes nothing late.
- A sample that is not late, although it is not later than the previous sample, restarts its signal.

So a single reading ahead of its time is judged when it arrives and forgotten with the next one, the readings of a
device that is always ahead are judged in the order of their own times, and repeats change nothing in both cases.
Arrivals are in the log, so a replay decides the same. Only a replayed dead letter has a stamp older than its position
in the log, so that everything would look ahead: for such samples, no mark is wrong.
"""

from __future__ import annotations

import numpy as np

from rules.values.arrays import NEVER, Bools, Indices, grown
from store.record import Int64s

TOLERANCE_NS = 10 * 10**9
"""Clocks of devices drift by seconds a day; a signal may be blind for this long after a reading that was ahead."""


class Marks:
    """Both marks of the signals that had a sample ahead which is later than every sound one.

    ahead_ns  the mark of samples ahead; NEVER for other signals, whose sound mark is the time of their newest sample
    sound_ns  the sound mark; undefined for other signals
    some      whether any signal has marks
    """

    def __init__(self) -> None:
        self.ahead_ns: Int64s = np.empty(0, np.int64)
        self.sound_ns: Int64s = np.empty(0, np.int64)
        self.some = False

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self.ahead_ns = grown(self.ahead_ns, size, NEVER)
        self.sound_ns = grown(self.sound_ns, size, NEVER)

    def has(self, series: Indices) -> Bools:
        """Which of these signals have marks."""
        has: Bools = self.ahead_ns[series] != NEVER
        return has

    def series(self) -> Indices:
        """The signals with marks."""
        return np.flatnonzero(self.ahead_ns != NEVER)

    def set(self, series: Indices, ahead_ns: Int64s, sound_ns: Int64s) -> None:
        """Restore saved marks of these signals, which have none."""
        self.ahead_ns[series] = ahead_ns
        self.sound_ns[series] = sound_ns
        self.recount()

    def recount(self) -> None:
        """Update `some`, after marks were added or removed."""
        self.some = bool((self.ahead_ns != NEVER).any())

    def pass_by(self, newest_ns: Int64s, series: Indices, time_ns: Int64s, arrival_ns: Int64s, *, again: bool) -> Bools:
        """Which of these samples, one per signal, are not late; the marks are moved to them.

        newest_ns is the time of each signal's newest sample. again: the samples are of replayed dead letters.
        """
        sound_ns = np.where(self.has(series), self.sound_ns[series], newest_ns)
        ahead_ns = self.ahead_ns[series]
        limit_ns = latest_sound_ns(arrival_ns)
        is_ahead = time_ns > limit_ns
        mark_ns = np.where(is_ahead, np.maximum(sound_ns, ahead_ns), sound_ns)
        fresh: Bools = time_ns > mark_ns
        if not again:
            lead_ns = np.maximum(time_ns - arrival_ns, 0)
            # halves, because twice a lead may overflow 64 bits
            fresh |= (mark_ns > limit_ns) & (mark_ns // 2 - arrival_ns // 2 > lead_ns)
        ahead_ns = np.where(fresh & is_ahead, time_ns, ahead_ns)
        sound_ns = np.where(fresh & ~is_ahead, time_ns, np.where(fresh & (sound_ns > time_ns), NEVER, sound_ns))
        self.ahead_ns[series] = np.where(ahead_ns > sound_ns, ahead_ns, NEVER)
        self.sound_ns[series] = sound_ns
        return fresh


def latest_sound_ns(arrival_ns: Int64s) -> Int64s:
    """The latest time that is sound, for each arrival."""
    return arrival_ns + TOLERANCE_NS
