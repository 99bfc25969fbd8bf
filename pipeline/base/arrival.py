"""Makes *arrival stamps*: the time at which a message was received, which is also the time of rows without their own.

The rules:
- Within a process stamps increase strictly while the host's clock is steady, or is corrected by up to `SLEWED_NS`: then
  they advance a little faster or slower until they agree with it, so that the time between two messages remains true.
- A larger change of the clock is followed at once, also backwards. Then a stamp may be earlier than the one before it:
  the order of messages is the order of their offsets only.
- No two messages of a process have the same stamp. Messages are a microsecond apart, and the last three digits are
  those of the *pass*: the first pass has random digits, and each step back begins the next pass, so that a time that
  occurs twice gets different digits. (Elements of an array add their index to the stamp of their message: there is room
  for a thousand.) The passes of two processes begin with random digits.
"""

from __future__ import annotations

import secrets

from pipeline.base import metrics
from pipeline.base.clock import HOST, Clock
from store.host_time import WRITTEN_NS

SPACING_NS = 1_000
SLEWED_NS = 1_000_000_000
IGNORED_NS = 1_000_000  # two clocks that are read one after the other may differ by this
SLEW_SHIFT = 3  # stamps advance an eighth faster or slower


class ArrivalStamps:
    """Stamps from `clock`. For one thread."""

    def __init__(self, clock: Clock, first_pass: int = 0) -> None:
        self._wall_ns = clock.wall_ns
        self._monotonic_ns = clock.monotonic_ns
        self._pass = first_pass % SPACING_NS
        self._seen_ns = self._monotonic_ns()
        self._offset_ns = self._wall_ns() - self._seen_ns
        self._next_ns = 0  # the earliest possible next stamp

    def take(self, count: int = 1) -> int:
        """The stamp of the first of `count` messages that arrived now; the others follow `SPACING_NS` apart."""
        monotonic_ns = self._monotonic_ns()
        wall_ns = self._wall_ns()
        drift_ns = wall_ns - monotonic_ns - self._offset_ns
        if not -IGNORED_NS < drift_ns < IGNORED_NS:
            self._correct(drift_ns, monotonic_ns)
        self._seen_ns = monotonic_ns
        now_ns = monotonic_ns + self._offset_ns
        stamp_ns = now_ns - now_ns % SPACING_NS + self._pass
        if stamp_ns < self._next_ns:  # noqa: PLR1730  # a call of max() costs as much as reading a clock
            stamp_ns = self._next_ns
        self._next_ns = stamp_ns + count * SPACING_NS
        if stamp_ns < WRITTEN_NS:
            metrics.clock_unset_messages.inc(count)
        return stamp_ns

    def _correct(self, drift_ns: int, monotonic_ns: int) -> None:
        if abs(drift_ns) <= SLEWED_NS:
            most_ns = (monotonic_ns - self._seen_ns) >> SLEW_SHIFT
            self._offset_ns += max(-most_ns, min(most_ns, drift_ns))
            return
        self._offset_ns += drift_ns
        if drift_ns < 0:
            self._pass = (self._pass + 1) % SPACING_NS
            self._next_ns = 0


def host_stamps() -> ArrivalStamps:
    """The stamps of a process of the product."""
    return ArrivalStamps(HOST, secrets.randbelow(SPACING_NS))
