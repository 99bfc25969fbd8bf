"""[alerts] → the archive and its queue of deliveries → webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from pipeline.alerting.webhooks import AlertsPartition


async def alerts_to_webhooks(
    stream: Any, partition: AlertsPartition, append: Callable[[bytes], Awaitable[Any]], *, others_take_over: bool
) -> None:
    """Run until the Faust stream ends. If another worker can take over, settled deliveries are recorded in [alerts]."""

    async def note(settlement: Mapping[str, Any]) -> None:
        await append(orjson.dumps([settlement]))

    if others_take_over:
        partition.note = note
    async for event in stream.events():
        events = orjson.loads(event.value)
        offset, now_ns = event.message.offset, partition.clock_ns()
        archive, receivers = partition.archive, partition.receivers
        await asyncio.to_thread(archive.accept, partition.partition_id, offset, events, receivers, now_ns=now_ns)
        partition.wake()
