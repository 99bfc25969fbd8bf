"""A host's clock that stands until a test moves it, or sets it."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.base.arrival import ArrivalStamps
from pipeline.base.clock import Clock


class ManualClock:
    """`go` lets time pass; `step` sets the host's clock: the monotonic one knows nothing of it."""

    def __init__(self, wall_ns: int) -> None:
        self.wall_ns = wall_ns
        self.monotonic_ns = 0
        self.clock = Clock(lambda: self.wall_ns, lambda: self.monotonic_ns)

    def go(self, by_ns: int) -> None:
        """So much time passes."""
        self.wall_ns += by_ns
        self.monotonic_ns += by_ns

    def step(self, by_ns: int) -> None:
        """The host's clock is set; negative: back."""
        self.wall_ns += by_ns


def stamps_by(clock_ns: Callable[[], int]) -> ArrivalStamps:
    """Stamps by a clock that nobody sets."""
    return ArrivalStamps(Clock(clock_ns, clock_ns))
