"""How long to wait before a broker is tried again. Values in, values out."""

from __future__ import annotations

import random
from dataclasses import dataclass

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_AFTER_S = 10.0  # of being connected: two clients that take over each other's session are not


@dataclass(slots=True)
class Backoff:
    """Each wait is twice as long as the one before, until a connection was steady; a half of it is left to chance, so
    that gateways whose broker comes back do not all come at once.
    """

    rng: random.Random
    _in_a_row: int = 0

    def wait_s(self, connected_s: float) -> float:
        """The wait after a connection that stood for `connected_s` seconds. Called once for each end."""
        if connected_s >= STEADY_AFTER_S:
            self._in_a_row = 0
        longest_s = min(FIRST_WAIT_S * 2.0 ** min(self._in_a_row, 16), LONGEST_WAIT_S)
        self._in_a_row += 1
        return longest_s * self.rng.uniform(0.5, 1.0)
