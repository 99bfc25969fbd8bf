"""Faust's producer for the log: the future that `send` returns is done when the message is durable.

While Kafka does not answer, messages wait and are appended again, because an agent has no other place for them; they
are given up only when the application stops.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from faust.exceptions import ProducerSendError
from faust.transport import base
from faust.types import TP, RecordMetadata

from pipeline.base.errors import LogUnavailable
from pipeline.log import open_appender
from pipeline.log.log import Appender

RETRY_S = 0.25


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key, the same in every process; 0 without a key."""
    return zlib.crc32(key) % partitions if key else 0


class Producer(base.Producer):
    """Appends by group commit. Keys choose the partition and are not stored; there are no headers."""

    appender: Appender
    transport: Any

    async def on_start(self) -> None:
        """Open the log. Raises LogError."""
        await super().on_start()
        self._unfinished: set[asyncio.Future[RecordMetadata]] = set()
        self.appender = open_appender(self.transport.use.settings)
        await self.appender.start()

    async def on_stop(self) -> None:
        """Finish pending messages, then close."""
        await super().on_stop()
        await self.appender.stop()

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> asyncio.Future[RecordMetadata]:
        """A future of the message's metadata, done when it is durable; it raises LogFull or LogError."""
        if value is None or headers or transactional_id:
            raise ProducerSendError(f"topic {topic}: the log keeps values only, no headers and no transactions")
        if partition is None:
            partition = partition_of(key, self.appender.partitions_of(topic))
        sent: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        self._unfinished.add(sent)
        sent.add_done_callback(self._unfinished.discard)

        def _append() -> None:
            if not sent.done():
                self.appender.append(topic, value, partition).add_done_callback(_appended)

        def _appended(append: asyncio.Future[int]) -> None:
            error = append.exception()
            if sent.done():
                return
            if isinstance(error, LogUnavailable) and not self.app.should_stop:
                asyncio.get_running_loop().call_later(RETRY_S, _append)
            elif error is not None:
                sent.set_exception(error)
            else:
                sent.set_result(RecordMetadata(topic, partition, TP(topic, partition), append.result(), timestamp, 0))

        _append()
        return sent

    async def send_and_wait(self, *arguments: Any, **options: Any) -> RecordMetadata:
        """As `send`, and wait until the message is durable."""
        return await (await self.send(*arguments, **options))

    async def flush(self) -> None:
        """Wait until all messages are durable or refused; their futures raise the errors."""
        await self.buffer.flush()
        while self._unfinished:
            await asyncio.wait(set(self._unfinished))

    async def create_topic(self, *_arguments: Any, **_options: Any) -> None:
        """Do nothing: a topic is created when it is first opened."""

    def key_partition(self, topic: str, key: bytes) -> TP:
        """The partition for messages with this key."""
        return TP(topic, partition_of(key, self.appender.partitions_of(topic)))
