"""Waiting times before retries: each is twice the previous one, up to a maximum. Pure.

If many clients would retry at the same moment, a random part of each waiting time spreads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """`chance` is the random part of a waiting time, 0-1."""

    first_s: float
    longest_s: float
    chance: float = 0.0

    def wait_s(self, failures: int, rng: Random | None = None) -> float:
        """The waiting time after this number of failures in a row (≥ 1), in seconds."""
        full_s = min(self.first_s * 2.0 ** min(failures - 1, 32), self.longest_s)
        return full_s if rng is None else full_s * rng.uniform(1 - self.chance, 1)


@dataclass(slots=True)
class InARow:
    """Counts failures in a row of something that runs until it fails; a run without early failure resets the count."""

    steady_after_s: float = 10.0
    failures: int = 0

    def ended(self, ran_s: float) -> int:
        """The number of failures in a row, including this one after `ran_s` seconds. Called once per failure."""
        self.failures = 1 if ran_s >= self.steady_after_s else self.failures + 1
        return self.failures
