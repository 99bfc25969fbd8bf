"""The host's clock and its steps.

It may be set by NTP or by people, also for the first time some minutes after a start.

Waits use the monotonic clock, which nobody sets. Times of events use the host's time, and follow it in both directions.
A *step* is a change of more than a second, compared with the monotonic clock, between two looks. Each process looks
itself, logs each step once, and counts it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipeline.base import metrics
from store.host_time import WRITTEN_NS, is_set
from store.values.times import NS, rfc3339

log = logging.getLogger(__name__)

STEP_NS = NS
LOOK_EVERY_S = 0.5
# The process may be interrupted between reading two clocks, which looks like a step; then they are read again.
_LONGEST_READING_NS = 100_000_000
_TIMES_READ = 10


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks. `wall_ns`: the host's current time in UTC; `monotonic_ns`: steady, from an arbitrary start."""

    wall_ns: Callable[[], int]
    monotonic_ns: Callable[[], int]


HOST = Clock(time.time_ns, time.monotonic_ns)


def evenly(clock: Clock = HOST) -> Callable[[], int]:
    """A clock that starts with the host's time and is steady, whatever the host's clock is set to.

    For waits within a process whose end is stored as a time.
    """
    ahead_ns = clock.wall_ns() - clock.monotonic_ns()
    return lambda: ahead_ns + clock.monotonic_ns()


def since_boot_ns() -> int:
    """A monotonic clock that includes the time the machine sleeps, if there is one: sleep is not a step."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock)


@dataclass(frozen=True, slots=True)
class Step:
    """At one moment the clock was changed from `from_ns` to `to_ns`."""

    from_ns: int
    to_ns: int

    @property
    def by_ns(self) -> int:
        """By how much it was changed; negative: backwards."""
        return self.to_ns - self.from_ns

    @property
    def direction(self) -> str:
        """`ahead` or `back`."""
        return "ahead" if self.by_ns > 0 else "back"

    def __str__(self) -> str:
        span = timedelta(milliseconds=abs(self.by_ns) // 1_000_000)
        seconds = f"{span.total_seconds():,.1f} s"
        long = f" ({str(span).partition('.')[0]})" if span >= timedelta(minutes=2) else ""
        return f"set {self.direction} by {seconds}{long}, from {rfc3339(self.from_ns, 0)} to {rfc3339(self.to_ns, 0)}"


class ClockWatch:
    """Detects steps of a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ns = self._read()

    def look(self) -> Step | None:
        """The step since the last look; None if there was none."""
        offset_ns = self._read()
        by_ns, self._offset_ns = offset_ns - self._offset_ns, offset_ns
        if abs(by_ns) <= STEP_NS:
            return None
        now_ns = self._clock.wall_ns()
        return Step(now_ns - by_ns, now_ns)

    def _read(self) -> int:
        """The difference between the host's time and the monotonic clock."""
        for _ in range(_TIMES_READ):
            before_ns, wall_ns, after_ns = self._clock.monotonic_ns(), self._clock.wall_ns(), self._clock.monotonic_ns()
            if after_ns - before_ns <= _LONGEST_READING_NS:
                break
        return wall_ns - (before_ns + after_ns) // 2


class Steps:
    """The steps that a process has seen: logged, counted and kept."""

    def __init__(self, process: str) -> None:
        """Also log if the clock has never been set."""
        self._process = process
        self.count = 0
        self.last: Step | None = None
        for direction in (
            "ahead",
            "back",
        ):  # begin at 0: Prometheus' increase() sees the first step
            metrics.clock_steps.labels(process, direction)
        now_ns = time.time_ns()
        if not is_set(now_ns):
            log.warning("%s", unset(now_ns))

    def note(self, step: Step) -> None:
        """Log and count a step."""
        self.count += 1
        self.last = step
        metrics.clock_steps.labels(self._process, step.direction).inc()
        advice = (
            "; `streamgauge dead-letters replay --reason too_far_ahead` takes what was refused because it was behind"
        )
        log.warning(
            "the host's clock was %s; arrival times follow it, waits do not change%s",
            *(step, advice if step.by_ns > 0 else ""),
        )
        if not is_set(step.to_ns):
            log.warning("%s", unset(step.to_ns))

    def told(self) -> dict[str, Any]:
        """The state of the clock for `/readyz`."""
        now_ns = time.time_ns()
        body: dict[str, Any] = {"now": rfc3339(now_ns, 0), "is_set": is_set(now_ns), "steps": self.count}
        if self.last is not None:
            body["last_step"] = {
                "from": rfc3339(self.last.from_ns, 0),
                "to": rfc3339(self.last.to_ns, 0),
                "by_seconds": round(self.last.by_ns / NS, 3),
            }
        return body

    async def watch(self) -> None:
        """Look for steps until cancelled."""
        watch = ClockWatch(Clock(time.time_ns, since_boot_ns))
        while True:
            metrics.clock_is_set.labels(self._process).set(is_set(time.time_ns()))
            await asyncio.sleep(LOOK_EVERY_S)
            step = watch.look()
            if step is not None:
                self.note(step)


def unset(now_ns: int) -> str:
    """A description if the clock is before the release of this program, so that it cannot be set; else None."""
    return (
        f"the host's clock says {rfc3339(now_ns, 0)}, before this program was written ({rfc3339(WRITTEN_NS)[:4]}): "
        "it was never set. Messages without a time of their own are stored with the host's; those with one are taken "
        "however far ahead of it they are; certificates may count as not valid yet. Set the clock (NTP)"
    )
