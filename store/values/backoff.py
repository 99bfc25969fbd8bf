"""How long to wait before something that failed is tried again: each wait twice the one before, up to a longest. Pure.

Where many would come at once when what they wait for comes back, a share of each wait is left to chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """`chance` is the share of a wait that is left to chance, 0-1."""

    first_s: float
    longest_s: float
    chance: float = 0.0

    def wait_s(self, failures: int, rng: Random | None = None) -> float:
        """The wait after so many failures in a row (≥ 1)."""
        full_s = min(self.first_s * 2.0 ** min(failures - 1, 32), self.longest_s)
        return full_s if rng is None else full_s * rng.uniform(1 - self.chance, 1)


@dataclass(slots=True)
class InARow:
    """Counts failures in a row of what runs until it fails; a run that was steady starts the count anew."""

    steady_after_s: float = 10.0
    failures: int = 0

    def ended(self, ran_s: float) -> int:
        """How many there were, with this end after `ran_s` seconds. Called once for each end."""
        self.failures = 1 if ran_s >= self.steady_after_s else self.failures + 1
        return self.failures
