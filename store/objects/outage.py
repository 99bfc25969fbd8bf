"""How long the magnetic tier's storage has been away, and when it is asked again.

While it is away nothing is lost: rows stay in RAM and in the log, whose floor does not move. It is asked again after a
second, then after twice as long each time, up to half a minute; and each time it is said that it is away.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)

FIRST_WAIT_NS = 1_000_000_000
LONGEST_WAIT_NS = 30_000_000_000


@dataclass(slots=True)
class Outage:
    """`since_ns`: when the storage was first found away, None while it answers. `failures`: how often it was, ever."""

    since_ns: int | None = None
    failures: int = 0
    _wait_ns: int = FIRST_WAIT_NS
    _until_ns: int = 0

    def is_waiting(self, now_ns: int) -> bool:
        """Whether it is too early to ask again."""
        return self.since_ns is not None and now_ns < self._until_ns

    def failed(self, now_ns: int, error: Exception) -> None:
        """It did not answer."""
        self.since_ns = now_ns if self.since_ns is None else self.since_ns
        self.failures += 1
        self._until_ns = now_ns + self._wait_ns
        log.error(
            "the magnetic tier's storage is away, since %d s; rows stay in memory and in the log, next try in %d s: %s",
            (now_ns - self.since_ns) // 1_000_000_000,
            self._wait_ns // 1_000_000_000,
            error,
        )
        self._wait_ns = min(2 * self._wait_ns, LONGEST_WAIT_NS)

    def answered(self, now_ns: int) -> None:
        """It did what was asked."""
        if self.since_ns is not None:
            away_s = (now_ns - self.since_ns) // 1_000_000_000
            log.warning("the magnetic tier's storage answers again, after %d s", away_s)
            self.since_ns, self._wait_ns = None, FIRST_WAIT_NS
