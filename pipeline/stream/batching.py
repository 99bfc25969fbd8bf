"""Batches of a Faust stream's events, limited by size: Faust's own `take_events` limits only their number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

URGENT_WITHIN_S = 0.001  # requests of many clients still share a batch


async def take(
    stream: Any, *, max_events: int, max_bytes: int, within_s: float, is_urgent: Callable[[Any], bool]
) -> AsyncIterator[list[Any]]:
    """The events in order. A batch ends when a limit is reached, or `within_s` after its first event.

    After an urgent event, it ends when no other event waits. Faust regards an event as processed when the next one is
    requested, which may be before its batch is processed.
    """
    loop = asyncio.get_running_loop()
    events = stream.events()
    coming = asyncio.ensure_future(anext(events))
    try:
        while True:
            await asyncio.wait([coming])
            batch: list[Any] = []
            size, until_s = 0, loop.time() + within_s
            while coming.done():
                event = _result(coming)
                if event is None:
                    break
                batch.append(event)
                size += len(event.message.value)
                if is_urgent(event):
                    until_s = min(until_s, loop.time() + URGENT_WITHIN_S)
                coming = asyncio.ensure_future(anext(events))
                if len(batch) >= max_events or size >= max_bytes:
                    break
                await asyncio.wait([coming], timeout=until_s - loop.time())
            if batch:
                yield batch
            else:
                return
    finally:
        coming.cancel()
        await asyncio.wait([coming])
        await events.aclose()


def _result(coming: asyncio.Future[Any]) -> Any:
    """The next event; None at the end of the stream."""
    try:
        return coming.result()
    except StopAsyncIteration:
        return None
