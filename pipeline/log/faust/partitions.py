"""The common part of Faust's consumers of both logs: each partition is read by its own task.

A full stream stops only its own partition. The application chooses where to continue, so positions are changed here,
together with Faust's records of them.
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
TIMESTAMP_UNKNOWN = 0  # frames have their own times


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
        """A full stream has room again."""
        super().on_buffer_drop(tp)
        self._flow_changed.set()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Resume these partitions."""
        super().resume_partitions(set(tps))
        self._flow_changed.set()

    def resume_flow(self) -> None:
        """Resume all partitions."""
        super().resume_flow()
        self._flow_changed.set()

    # --- the rest of Faust's interface of a consumer ---

    async def position(self, tp: TP) -> int | None:
        """The next offset to deliver."""
        return self._next_offset.get(tp)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """See `perform_seek`."""
        await self.perform_seek()
        return dict(self._next_offset)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Message]]:  # noqa: ASYNC109  Faust's signature
        raise NotImplementedError("messages are delivered by _drain_messages")

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)
