"""[alerts] → the archive and its queue of deliveries → webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from pipeline.alerting.webhooks import AlertsPartition
from pipeline.base.errors import FrameError
from pipeline.log.dead_letter import damaged_letter, encode_dead_letters
from pipeline.log.log import refuse_damaged
from store.objects.damage import Outcome, report

Append = Callable[[bytes], Awaitable[Any]]


async def alerts_to_webhooks(
    stream: Any, partition: AlertsPartition, append: Append, append_dead_letters: Append, *, others_take_over: bool
) -> None:
    """Run until the Faust stream ends. If another worker can take over, settled deliveries are recorded in [alerts]."""

    async def note(settlement: Mapping[str, Any]) -> None:
        await append(orjson.dumps([settlement]))

    if others_take_over:
        partition.note = note
    async for event in stream.events():
        offset, now_ns = event.message.offset, partition.clock_ns()
        try:
            refuse_damaged(event.value)
            events = orjson.loads(event.value)
        except (FrameError, orjson.JSONDecodeError) as error:
            where = f"offset {offset} of {partition.partition_id}"
            report("log", f"{where}: alerts are lost: {error}; a dead letter, reason `damaged`, has them", Outcome.LOST)
            letter = damaged_letter(partition.partition_id, offset, event.value, str(error))
            await append_dead_letters(encode_dead_letters([letter]))
            events = []
        archive, receivers = partition.archive, partition.receivers
        await asyncio.to_thread(archive.accept, partition.partition_id, offset, events, receivers, now_ns=now_ns)
        partition.wake()
