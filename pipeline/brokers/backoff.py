"""How long to wait before connecting to a broker again: twice as long each time, with jitter. Values in, values out."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_AFTER_S = 10.0  # a connection that held so long was a good one


@dataclass(slots=True)
class Backoff:
    """The waits of one subscription. Jitter is half of the wait: gateways that were cut off together do not all come
    back in one moment.
    """

    rng: random.Random = field(default_factory=random.Random)
    _in_a_row: int = 0

    def wait_s(self, held_s: float) -> float:
        """The wait after a connection that held for `held_s` (0: it never came to be)."""
        if held_s >= STEADY_AFTER_S:
            self._in_a_row = 0
        longest_s = min(FIRST_WAIT_S * 2.0 ** min(self._in_a_row, 16), LONGEST_WAIT_S)
        self._in_a_row += 1
        return longest_s * self.rng.uniform(0.5, 1.0)
