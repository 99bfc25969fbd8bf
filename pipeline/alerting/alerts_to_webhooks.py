"""[alerts] → the archive and its queue of deliveries → webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from pipeline.alerting.receivers import AlertsPartition
from pipeline.base.errors import FrameError
from pipeline.log.dead_letter import damaged_letter, encode_dead_letters
from pipeline.log.log import refuse_damaged
from store.objects.damage import Outcome, report

Append = Callable[[bytes], Awaitable[Any]]


async def alerts_to_webhooks(
    stream: Any, partition: AlertsPartition, append: Append, append_dead_letters: Append, *, others_take_over: bool
) -> None:
    """Run until the Faust stream ends. If another worker can take over, settled deliveries are recorded in [alerts]."""
    partition.append, partition.notes = append, others_take_over
    async for event in stream.events():
        offset, now_ns = event.message.offset, partition.clock_ns()
        # silences are those of the time when the event was appended, also if it is read again by another worker
        wall_ns = _appended_ns(event.message) if others_take_over else None
        try:
            refuse_damaged(event.value)
            events = orjson.loads(event.value)
        except (FrameError, orjson.JSONDecodeError) as error:
            where = f"offset {offset} of {partition.partition_id}"
            report("log", f"{where}: alerts are lost: {error}; a dead letter, reason `damaged`, has them", Outcome.LOST)
            letter = damaged_letter(partition.partition_id, offset, event.value, str(error))
            await append_dead_letters(encode_dead_letters([letter]))
            events = []
        wall_ns = wall_ns or partition.wall_ns()
        accept, name = partition.archive.accept, partition.partition_id
        await asyncio.to_thread(accept, name, offset, events, partition.plan, now_ns=now_ns, wall_ns=wall_ns)
        partition.wake()


def _appended_ns(message: Any) -> int | None:
    """By the clock of Kafka's client; None if it does not say."""
    timestamp_s = getattr(message, "timestamp", None)
    return int(timestamp_s * 1e9) if timestamp_s else None
