"""How long the magnetic tier's storage has been away, and when it is asked again.

While it is away nothing is lost: rows stay in RAM and in the log, whose low watermark does not move; records of a new
table wait in the log. It is asked again after a second, then after twice as long each time, up to half a minute; each
failure is logged.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from store.values.backoff import Backoff
from store.values.times import NS

log = logging.getLogger(__name__)

BACKOFF = Backoff(first_s=1.0, longest_s=30.0)


@dataclass(slots=True)
class Outage:
    """`since_ns`: when the storage was first found away, None while it answers. `failures`: how often it was, ever."""

    since_ns: int | None = None
    failures: int = 0
    _in_a_row: int = 0
    _until_ns: int = 0

    def is_waiting(self, now_ns: int) -> bool:
        """Whether it is too early to ask again."""
        return self.since_ns is not None and now_ns < self._until_ns

    def wait_s(self, now_ns: int) -> float:
        """How long to wait before it is asked again, in seconds."""
        return max(0, self._until_ns - now_ns) / NS

    def failed(self, now_ns: int, error: Exception) -> None:
        """It did not answer."""
        self.since_ns = now_ns if self.since_ns is None else self.since_ns
        self.failures += 1
        self._in_a_row += 1
        wait_s = BACKOFF.wait_s(self._in_a_row)
        self._until_ns = now_ns + int(wait_s * NS)
        log.error(
            "the magnetic tier has not been available for %d s; rows stay in memory and in the log, retry in %d s: %s",
            (now_ns - self.since_ns) // NS,
            wait_s,
            error,
        )

    def answered(self, now_ns: int) -> None:
        """It did what was asked."""
        if self.since_ns is not None:
            away_s = (now_ns - self.since_ns) // NS
            log.warning("the magnetic tier is available again, after %d s", away_s)
            self.since_ns, self._in_a_row = None, 0
