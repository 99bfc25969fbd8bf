"""Appends to Kafka: messages that arrive while a batch of their partition is sent form the next batch.

Each partition has one batch in progress, which keeps the order of calls whatever fails, and the number of requests
depends on the brokers, not on the number of appends. A batch without an answer in time is given up, together with all
that wait behind it and with the producer: its sequence numbers no longer match those of the brokers, and it would
continue to send that batch in the background.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from pipeline.base.errors import LogError, LogUnavailable
from pipeline.log.kafka.connection import client_arguments, unavailable
from pipeline.log.kafka.topics import TopicState, open_topics
from pipeline.log.settings import MAX_MESSAGE_BYTES, LogSettings

log = logging.getLogger(__name__)

BATCH_BYTES = 1 << 20  # uncompressed; a single message may be larger
OVERHEAD_BYTES = 64 << 10  # of a batch with one incompressible message: 1/255 of its size and a header
# Errors that are permanent; all others may be temporary.
_FOR_GOOD = (MessageSizeTooLargeError, TopicAuthorizationFailedError)


@dataclass(slots=True)
class _Partition:
    """The pending messages of one partition, in order, and the task that sends them while there are any."""

    waiting: deque[tuple[bytes, asyncio.Future[int]]] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class KafkaAppender:
    """The `Appender` of Kafka: acks=all, idempotent, lz4."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._states: Mapping[str, TopicState] = {}
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._abandoned: set[asyncio.Task[None]] = set()
        self._is_running = False
        self._is_troubled = False
        self._loop: asyncio.AbstractEventLoop

    async def start(self) -> None:
        """Connect, and create missing topics. Raises LogError, LogUnavailable."""
        self._loop = asyncio.get_running_loop()
        self._states = await open_topics(self._settings)
        await self._connected()
        self._is_running = True

    async def stop(self) -> None:
        """Finish pending appends, then close."""
        self._is_running = False
        tasks = [part.task for part in self._partitions.values() if part.task is not None]
        await asyncio.gather(*tasks)
        await asyncio.gather(*self._abandoned)
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    def partitions_of(self, topic: str) -> int:
        """The number of partitions of a topic."""
        return self._states[topic].partitions

    def append(self, topic: str, value: bytes, partition: int = 0) -> asyncio.Future[int]:
        """See `Appender`. Raises LogError before `start` and after `stop`."""
        if not self._is_running:
            raise LogError("the log's appender does not run")
        future: asyncio.Future[int] = self._loop.create_future()
        refusal = self._refusal(topic, value, partition)
        if refusal is not None:
            future.set_exception(refusal)
            return future
        part = self._partitions.get((topic, partition))
        if part is None:
            part = self._partitions[topic, partition] = _Partition()
        part.waiting.append((value, future))
        if part.task is None:
            part.task = self._loop.create_task(self._send(topic, partition, part), name=f"log-{topic}-{partition}")
        return future

    def _refusal(self, topic: str, value: bytes, partition: int) -> LogError | None:
        partitions = self.partitions_of(topic)
        if not 0 <= partition < partitions:
            return LogError(f"topic {topic} has partitions 0 to {partitions - 1}, not {partition}")
        most = MAX_MESSAGE_BYTES - OVERHEAD_BYTES
        if len(value) > most:
            return LogError(f"a message of {len(value)} bytes for {topic}; Kafka is given at most {most}")
        return None

    async def _send(self, topic: str, partition: int, part: _Partition) -> None:
        """Send the pending messages of the partition, batch after batch, until there are none."""
        try:
            while part.waiting:
                await self._send_batch(topic, partition, part)
        finally:
            part.task = None

    async def _send_batch(self, topic: str, partition: int, part: _Partition) -> None:
        sent: list[asyncio.Future[int]] = []
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(self._settings.append_s):
                producer = await self._connected()
                batch = producer.create_batch()
                while part.waiting and batch.append(key=None, value=part.waiting[0][0], timestamp=None) is not None:
                    sent.append(part.waiting.popleft()[1])
                kafka_topic = self._settings.kafka_topic(topic)
                answer = await (await producer.send_batch(batch, kafka_topic, partition=partition))
        except (KafkaError, LogError, OSError, TimeoutError, AssertionError) as error:
            self._give_up(topic, sent, part, producer, error)
            return
        if self._is_troubled:
            self._is_troubled = False
            log.warning("Kafka accepts appends again")
        for number, future in enumerate(sent):
            if not future.done():  # the caller may have been cancelled
                future.set_result(answer.offset + number)

    def _give_up(
        self,
        topic: str,
        sent: list[asyncio.Future[int]],
        part: _Partition,
        producer: AIOKafkaProducer | None,
        error: BaseException,
    ) -> None:
        """Fail all pending appends of the partition, and abandon the producer."""
        if isinstance(error, LogError):
            told = error
        elif isinstance(error, _FOR_GOOD):
            told = LogError(f"Kafka refused an append to {topic}: {error}")
        else:
            if isinstance(error, TimeoutError):
                error = TimeoutError(f"no answer within {self._settings.append_s:g} s")
            told = unavailable(self._settings, f"accept an append to {topic}", error)
        if isinstance(told, LogUnavailable) and not self._is_troubled:
            self._is_troubled = True
            log.warning("%s; appends wait", told)
        sent += [future for _, future in part.waiting]
        part.waiting.clear()
        for future in sent:
            if not future.done():
                future.set_exception(told)
        if producer is not None and producer is self._producer:
            self._producer = None
            task = self._loop.create_task(_abandon(producer))
            self._abandoned.add(task)
            task.add_done_callback(self._abandoned.discard)

    async def _connected(self) -> AIOKafkaProducer:
        """The connected producer. Raises LogUnavailable."""
        async with self._making:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **client_arguments(self._settings),
                    acks="all",
                    enable_idempotence=True,
                    compression_type="lz4",
                    max_batch_size=BATCH_BYTES,
                    max_request_size=MAX_MESSAGE_BYTES,
                )
                try:
                    await producer.start()
                except (KafkaError, OSError, TimeoutError) as error:
                    await _abandon(producer)
                    raise unavailable(self._settings, "let us connect", error) from error
                except BaseException:
                    await _abandon(producer)
                    raise
                _watch(producer)
                self._producer = producer
            return self._producer


def _watch(producer: AIOKafkaProducer) -> None:
    """If the producer's task ends with an error, raise it for all pending messages.

    aiokafka itself does so only within transactions.
    """
    sender: Any = producer._sender  # noqa: SLF001  there is no public way

    def _ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            producer._message_accumulator.fail_all(error)  # noqa: SLF001  as above

    sender.sender_task.remove_done_callback(sender._fail_all)  # noqa: SLF001  as above
    sender.sender_task.add_done_callback(_ended)


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close a producer without waiting for its pending messages, as `stop` would."""
    producer._closed = True  # noqa: SLF001  otherwise it warns when it is garbage-collected
    accumulator: Any = producer._message_accumulator  # noqa: SLF001  there is no public way
    for batch in [*accumulator._pending_batches, *(one for more in accumulator._batches.values() for one in more)]:  # noqa: SLF001
        if not batch.future.done():
            batch.future.set_exception(KafkaError("its producer was closed"))
            batch.future.exception()  # marks it as retrieved: callers get it anyway, and some are gone
    sender: Any = producer._sender  # noqa: SLF001  as above
    task = sender.sender_task
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        await producer.client.close()
    while task is not None and not task.done():
        task.cancel()  # it treats the first one as a request to finish
        await asyncio.wait([task], timeout=0.1)
    if task is not None and not task.cancelled():
        task.exception()
