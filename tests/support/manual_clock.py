"""A host's clock that only changes when a test lets time pass, or sets it."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.base.arrival import ArrivalStamps
from pipeline.base.clock import Clock


class ManualClock:
    """`go` lets time pass; `step` sets the host's clock, which does not affect the monotonic one."""

    def __init__(self, wall_ns: int) -> None:
        self.wall_ns = wall_ns
        self.monotonic_ns = 0
        self.clock = Clock(lambda: self.wall_ns, lambda: self.monotonic_ns)

    def go(self, by_ns: int) -> None:
        """Let this time pass."""
        self.wall_ns += by_ns
        self.monotonic_ns += by_ns

    def step(self, by_ns: int) -> None:
        """Set the host's clock forward; negative: back."""
        self.wall_ns += by_ns


def stamps_by(clock_ns: Callable[[], int]) -> ArrivalStamps:
    """Timestamps from a clock that is never set."""
    return ArrivalStamps(Clock(clock_ns, clock_ns))
