"""What Faust's consumers of both logs have in common: each partition is read by a task of its own.

A full stream holds back its own partition only. Where reading goes on is the application's to say, so positions are
moved here, and Faust's book-keeping with them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

from faust.transport import base
from faust.types import TP, ConsumerMessage

from pipeline.base import metrics
from pipeline.log.log import Message

READ_MESSAGES = 64
TIMESTAMP_UNKNOWN = 0  # frames carry their own times


class PartitionConsumer(base.Consumer):
    """The part of a consumer that does not depend on the log."""

    transport: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._next_offset: dict[TP, int] = {}
        self._flow_changed = asyncio.Event()

    def _move(self, tp: TP, offset: int) -> None:
        self._next_offset[tp] = offset
        self._committed_offset[tp] = offset or None
        for kept in (self._acked, self._acked_index, self._gap):
            kept.pop(tp, None)

    def _report_loss(self, tp: TP, wanted: int, first: int) -> None:
        lost = first - wanted
        metrics.log_messages_lost.labels(tp.topic).inc(lost)
        self.log.error(
            "DATA LOSS: %s messages of %s/%s were removed before they were processed: offsets %s to %s",
            *(lost, tp.topic, tp.partition, wanted, first - 1),
        )

    def _to_message(self, tp: TP, record: Message) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            time.time(),
            TIMESTAMP_UNKNOWN,
            None,
            None,
            record.value,
            None,
            serialized_key_size=0,
            serialized_value_size=len(record.value),
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    # --- flow ---

    async def _until_flowing(self, tp: TP) -> None:
        while not (self.flow_active and tp in self._active_partitions):
            self._flow_changed.clear()
            await self._flow_changed.wait()

    def on_buffer_drop(self, tp: TP) -> None:
        """A stream that was full has room again."""
        super().on_buffer_drop(tp)
        self._flow_changed.set()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Let these partitions flow."""
        super().resume_partitions(set(tps))
        self._flow_changed.set()

    def resume_flow(self) -> None:
        """Let everything flow."""
        super().resume_flow()
        self._flow_changed.set()

    # --- what else Faust asks of a consumer ---

    async def position(self, tp: TP) -> int | None:
        """The next offset to be delivered."""
        return self._next_offset.get(tp)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """See `perform_seek`."""
        await self.perform_seek()
        return dict(self._next_offset)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Message]]:  # noqa: ASYNC109  Faust's signature
        raise NotImplementedError("messages are delivered by _drain_messages")

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)
