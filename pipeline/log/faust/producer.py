"""Faust's producer on the log: what `send` returns is done when the message is durable.

While Kafka does not answer, what was sent waits and is appended again, as an agent has nowhere else to put it; only an
application that is ending gives it up.
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
    """The partition of a key, the same in every process; 0 without one."""
    return zlib.crc32(key) % partitions if key else 0


class Producer(base.Producer):
    """Appends by group commit. Keys choose the partition and are not kept; there are no headers."""

    appender: Appender
    transport: Any

    async def on_start(self) -> None:
        """Open the log. Raises LogError."""
        await super().on_start()
        self._unfinished: set[asyncio.Future[RecordMetadata]] = set()
        self.appender = open_appender(self.transport.use.settings)
        await self.appender.start()

    async def on_stop(self) -> None:
        """Finish what was sent, then close."""
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
        """A future of where the message is, done when it is durable; it raises LogFull or LogError."""
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
        """Where the message is, durably; takes what `send` takes."""
        return await (await self.send(*arguments, **options))

    async def flush(self) -> None:
        """Wait until what was sent is durable, or refused; refusals are told by the futures."""
        await self.buffer.flush()
        while self._unfinished:
            await asyncio.wait(set(self._unfinished))

    async def create_topic(self, *_arguments: Any, **_options: Any) -> None:
        """Nothing: a topic is made when it is first opened."""

    def key_partition(self, topic: str, key: bytes) -> TP:
        """Where messages of this key go."""
        return TP(topic, partition_of(key, self.appender.partitions_of(topic)))
