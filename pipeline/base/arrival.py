"""The one maker of *arrival stamps*: when a message came in; the time, and so the key, of a row without its own.

The rules:
- Within a process stamps increase strictly while the host's clock goes on, or is corrected by up to `SLEWED_NS`: then
  they go a little faster or slower until they agree with it, so that what lies between two stays true.
- A clock that is set further is followed at once, also back. Then a stamp may be earlier than one before it: the order
  of messages is the order of their offsets, and of nothing else.
- No two messages of a process get one stamp. Messages are a microsecond apart, and the last three digits are those of
  the *pass*: the first has some, and with each step back begins the next, so that a time the clock comes to a second
  time is stamped with other digits. (Elements of an array count on from their message's stamp: a thousand fit.) The
  passes of two processes begin with digits by chance.
"""

from __future__ import annotations

import secrets

from pipeline.base import metrics
from pipeline.base.clock import HOST, Clock
from store.host_time import WRITTEN_NS

SPACING_NS = 1_000
SLEWED_NS = 1_000_000_000
IGNORED_NS = 1_000_000  # what reading two clocks one after the other may differ by
SLEW_SHIFT = 3  # an eighth faster or slower


class ArrivalStamps:
    """Stamps by `clock`. One thread."""

    def __init__(self, clock: Clock, first_pass: int = 0) -> None:
        self._wall_ns = clock.wall_ns
        self._monotonic_ns = clock.monotonic_ns
        self._pass = first_pass % SPACING_NS
        self._seen_ns = self._monotonic_ns()
        self._offset_ns = self._wall_ns() - self._seen_ns
        self._next_ns = 0  # no stamp may be earlier

    def take(self, count: int = 1) -> int:
        """The stamp of the first of `count` messages that are here now; the others' follow `SPACING_NS` apart."""
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
    """Stamps of a process of the product."""
    return ArrivalStamps(HOST, secrets.randbelow(SPACING_NS))
