"""How long we have listened: a clock that stands still while we did not, made from ticks (`pipeline.log.tick`).

Silence is counted on it, so time in which a gateway was down, did not read or was not there extends every deadline by
as much, without a change of any deadline. Its rules:

- Each listener says, tick by tick, during which time it listened, and everything that it received before is in the log
  before its tick. What is *complete* is the earliest such time of all current listeners: up to then, no reading is
  missing. The clock stands there.
- Time in which one of them did not listen does not count: a device belongs to one listener, and we do not know whose.
- A listener without a word for GONE_NS, by the ticks of another, is gone: its devices have had the time to go to
  another one. The time since its last word does not count. A listener that ends says so, and is gone at once.
- If the host's clock is set back, the clock continues from the new time; nothing counts twice.

It is exact to the nanosecond and depends on ticks alone, so that a replay decides the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rules.values.arrays import NEVER
from store.record import Int64s

GONE_NS = 30 * 10**9


class Listened(NamedTuple):
    """`listener` listened from `from_ns` to `to_ns`, times of arrival; `is_last`: it ends there."""

    listener: str
    from_ns: int
    to_ns: int
    is_last: bool = False


@dataclass(slots=True)
class ListeningClock:
    """The clock of one partition.

    complete_ns  the time of arrival up to which everything that came is known; NEVER before the first tick
    listened_ns  how much of the time until then we listened: time on this clock
    upto_ns      by current listener: how far it has spoken
    gaps         times after `complete_ns` in which some listener did not listen: from, to
    """

    complete_ns: int = NEVER
    listened_ns: int = 0
    upto_ns: dict[str, int] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def take(self, tick: Listened) -> None:
        """Advance by a tick."""
        before_ns = self.upto_ns.get(tick.listener)
        if before_ns is None and not self.upto_ns:
            before_ns = self.complete_ns  # nobody listened since
        if before_ns is not None and before_ns != NEVER and tick.from_ns > before_ns:
            self.gaps.append((before_ns, tick.from_ns))
        self.upto_ns[tick.listener] = tick.to_ns
        for gone, upto_ns in list(self.upto_ns.items()):
            if tick.to_ns - upto_ns > GONE_NS:
                self.gaps.append((upto_ns, tick.to_ns))
                del self.upto_ns[gone]
        complete_ns = min(self.upto_ns.values())
        if tick.is_last:
            del self.upto_ns[tick.listener]
        self._advance(complete_ns)

    def times_of(self, arrival_ns: Int64s) -> Int64s:
        """The time on this clock at which readings arrived; never too early.

        They are of after the last tick, or of before it by some milliseconds.
        """
        if self.complete_ns == NEVER:
            return np.full(len(arrival_ns), self.listened_ns, np.int64)
        return self.listened_ns + np.clip(arrival_ns - self.complete_ns, 0, GONE_NS)

    def time_of(self, arrival_ns: int) -> int:
        """The same for one reading."""
        return int(self.times_of(np.array([arrival_ns], np.int64))[0])

    def _advance(self, complete_ns: int) -> None:
        since_ns = self.complete_ns
        self.complete_ns = complete_ns
        if since_ns != NEVER and complete_ns > since_ns:
            self.listened_ns += complete_ns - since_ns - _length(self.gaps, since_ns, complete_ns)
        self.gaps = [gap for gap in self.gaps if gap[1] > complete_ns >= since_ns]

    def copy(self) -> ListeningClock:
        """Another one at the same time."""
        return ListeningClock(self.complete_ns, self.listened_ns, dict(self.upto_ns), list(self.gaps))


def _length(gaps: list[tuple[int, int]], from_ns: int, to_ns: int) -> int:
    """How much of the time between is in some gap."""
    total_ns, upto_ns = 0, from_ns
    for begin_ns, end_ns in sorted(gaps):
        begin_ns, end_ns = max(begin_ns, upto_ns), min(end_ns, to_ns)  # noqa: PLW2901  # what is new of it
        if end_ns > begin_ns:
            total_ns += end_ns - begin_ns
            upto_ns = end_ns
    return total_ns
