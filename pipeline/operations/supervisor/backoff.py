"""How long to wait before a child that ended is started again. Values in, values out."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 5.0  # devices wait meanwhile; a child that fails at once costs a fifth of a core at most
STEADY_AFTER_S = 10.0


@dataclass(slots=True)
class Backoff:
    """The first restart is at once; each further one waits twice as long, until a run was steady."""

    _in_a_row: int = 0

    def wait_s(self, ran_s: float) -> float:
        """The wait after a run of `ran_s` seconds. Called once for each end."""
        if ran_s >= STEADY_AFTER_S:
            self._in_a_row = 0
        self._in_a_row += 1
        if self._in_a_row == 1:
            return 0.0
        doublings = min(self._in_a_row - 2, 16)  # beyond, the longest wait holds anyway
        return min(FIRST_WAIT_S * 2.0**doublings, LONGEST_WAIT_S)
