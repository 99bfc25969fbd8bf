"""Tracks how long the storage of the magnetic tier has been unavailable, and when to try again.

Nothing is lost meanwhile: rows stay in RAM and in the log, whose low watermark does not rise; records of a new table
wait in the log. The next attempt is after a second, then after twice as long each time, up to half a minute; each
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
    """`since_ns`: since when the storage is unavailable, None if it is available. `failures`: their total number."""

    since_ns: int | None = None
    failures: int = 0
    _in_a_row: int = 0
    _until_ns: int = 0

    def is_waiting(self, now_ns: int) -> bool:
        """Whether it is too early for the next attempt."""
        return self.since_ns is not None and now_ns < self._until_ns

    def wait_s(self, now_ns: int) -> float:
        """The time until the next attempt, in seconds."""
        return max(0, self._until_ns - now_ns) / NS

    def failed(self, now_ns: int, error: Exception) -> None:
        """Record a failure, and log it."""
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
        """Record a success."""
        if self.since_ns is not None:
            away_s = (now_ns - self.since_ns) // NS
            log.warning("the magnetic tier is available again, after %d s", away_s)
            self.since_ns, self._in_a_row = None, 0
