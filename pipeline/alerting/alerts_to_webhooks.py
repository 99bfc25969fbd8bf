"""[alerts] → the archive and its queue of deliveries → the receivers' webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from pipeline.alerting.webhooks import AlertKeeping


async def alerts_to_webhooks(
    stream: Any, keeping: AlertKeeping, append: Callable[[bytes], Awaitable[Any]], *, others_take_over: bool
) -> None:
    """Run until the Faust stream ends. Who takes over is told what was delivered."""

    async def note(settlement: Mapping[str, Any]) -> None:
        await append(orjson.dumps([settlement]))

    if others_take_over:
        keeping.note = note
    async for event in stream.events():
        events = orjson.loads(event.value)
        offset, now_ns = event.message.offset, keeping.clock_ns()
        archive, receivers = keeping.archive, keeping.receivers
        await asyncio.to_thread(archive.accept, keeping.partition_id, offset, events, receivers, now_ns=now_ns)
        keeping.wake()
