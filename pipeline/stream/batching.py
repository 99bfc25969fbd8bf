"""Events of a Faust stream in batches of limited size: its own `take_events` knows only how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any


async def take(stream: Any, *, max_events: int, max_bytes: int, within_s: float) -> AsyncIterator[list[Any]]:
    """The events in order; a batch ends where one limit is reached, or so many seconds after its first event.

    Faust takes an event as processed once the next one is asked for, which may be before its batch is.
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
    """What has come; None at the end of the stream."""
    try:
        return coming.result()
    except StopAsyncIteration:
        return None
