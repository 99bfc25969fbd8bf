"""Work of nobody's request waits while the server is overloaded, in place of an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

AGAIN_AFTER_S = 1.0


async def patiently(
    make: Callable[[], Awaitable[T]], refusals: tuple[type[Exception], ...], waited: Callable[[], Awaitable[None]]
) -> T:
    """What `make` returns, which is called again as long as it raises one of `refusals`, or TimeoutError.

    `waited` is called after each wait.
    """
    again: tuple[type[Exception], ...] = (*refusals, TimeoutError)
    while True:
        try:
            return await make()
        except again:
            await asyncio.sleep(AGAIN_AFTER_S)
            await waited()
