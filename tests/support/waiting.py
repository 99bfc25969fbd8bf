"""Waiting with a deadline for other processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, *, timeout_s: float = 60.0, every_s: float = 0.05) -> T:
    """The first truthy result of `condition`. Raises AssertionError with `what` and the last result."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s:g} s; the last answer was {answer!r}")
        time.sleep(every_s)
