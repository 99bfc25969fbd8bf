"""A loop that looks at the archive whenever it is woken, and at the time that it says itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

AGAIN_S = 1.0  # after a failure

log = logging.getLogger(__name__)


async def repeat(look: asyncio.Event, work: Callable[[], Awaitable[float | None]], failed: str) -> None:
    """Do `work` until cancelled; it returns after how many seconds it is due again, None: when `look` is set.

    A failure, such as a full disk, is logged as `failed`: what is queued is safe, and nothing else depends on this.
    """
    while True:
        look.clear()
        try:
            sleep_s = await work()
        except Exception:
            log.exception("%s", failed)
            sleep_s = AGAIN_S
        try:
            async with asyncio.timeout(sleep_s):
                await look.wait()
        except TimeoutError:
            pass
