"""A rate per second from a counter that is looked at now and then."""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST_S = 2.0


@dataclass(slots=True)
class Rate:
    """Of one counter. Looks that are close together see the same rate."""

    _count: float | None = None
    _at_s: float = 0.0
    _rate: float | None = None

    def of(self, count: float, now_s: float) -> float | None:
        """The rate since the look before; None at the first, and after a restart of what counts."""
        if self._count is None or count < self._count:
            self._count, self._at_s, self._rate = count, now_s, None
        elif now_s - self._at_s >= SHORTEST_S and (count != self._count or now_s - self._at_s >= 3 * SHORTEST_S):
            self._rate = (count - self._count) / (now_s - self._at_s)
            self._count, self._at_s = count, now_s
        return self._rate
