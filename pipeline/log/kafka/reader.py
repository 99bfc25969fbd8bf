"""A member of the workers' consumer group in its own thread, so that heartbeats continue whatever the worker computes.

Two coroutines in the worker's event loop are called with its partitions while Kafka waits. The protocol is eager: at
each rebalance all partitions are revoked, then the new ones are assigned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from pipeline.base.errors import LogError
from pipeline.log.kafka.connection import as_log_error, client_arguments
from pipeline.log.kafka.loop_thread import LoopThread
from pipeline.log.kafka.topics import TopicState, open_topics
from pipeline.log.log import Message
from pipeline.log.settings import MAX_MESSAGE_BYTES, LogSettings

log = logging.getLogger(__name__)

FETCH_WAIT_S = 1.0
TROUBLED_WAIT_S = 0.2
METADATA_MAX_AGE_S = 10.0  # how soon a topic that was created again is noticed
STOP_S = 5.0  # a broker that does not answer must not delay the end of the worker
_NEVER_MS = 2**31 - 1  # a worker that waits for its store is not dead

Partitions = set[tuple[str, int]]
OnChange = Callable[[Partitions], Awaitable[None]]


class KafkaReader:
    """The member. Call its coroutines from the worker's event loop."""

    def __init__(self, settings: LogSettings, client_id: str, on_assigned: OnChange, on_revoked: OnChange) -> None:
        self._settings = settings
        self._client_id = client_id
        self._listener = _Listener(settings, asyncio.get_running_loop(), on_assigned, on_revoked)
        self._thread = LoopThread("log-reader")
        self._consumer: Any = None
        self._committing: Future[None] | None = None

    async def start(self) -> Mapping[str, TopicState]:
        """Connect; returns the state of the topics. Raises LogError, LogUnavailable."""
        try:
            return await self._thread.call(self._start())
        except (KafkaError, OSError, TimeoutError) as error:
            raise as_log_error(self._settings, "let us connect", error) from error

    async def _start(self) -> Mapping[str, TopicState]:
        states = await open_topics(self._settings)
        settings = self._settings
        self._consumer = AIOKafkaConsumer(
            **client_arguments(settings, self._client_id),
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            max_poll_interval_ms=_NEVER_MS,
            metadata_max_age_ms=int(METADATA_MAX_AGE_S * 1000),
            session_timeout_ms=int(settings.session_s * 1000),
            heartbeat_interval_ms=int(settings.heartbeat_s * 1000),
            rebalance_timeout_ms=int(settings.rebalance_s * 1000),
        )
        await self._consumer.start()
        return states

    async def stop(self) -> None:
        """Leave the group, so that others take over at once, and stop the thread."""
        if self._consumer is not None:
            try:
                await asyncio.wait_for(self._thread.call(self._consumer.stop()), STOP_S)
            except (TimeoutError, KafkaError, OSError) as error:
                log.warning("leaving the consumer group failed: %s", str(error) or type(error).__name__)
                self._consumer._closed = True  # noqa: SLF001  otherwise it warns when it is garbage-collected
        await asyncio.to_thread(self._thread.stop)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics."""
        names = [self._settings.kafka_topic(topic) for topic in topics]

        async def subscribe() -> None:
            self._consumer.subscribe(topics=names, listener=self._listener)

        await self._thread.call(subscribe())

    async def fetch(self, topic: str, partition: int, most: int) -> list[Message]:
        """The next messages of an assigned partition; none after a while, or if it is not assigned.

        Raises LogError if reading cannot continue.
        """
        tp = self._tp(topic, partition)
        try:
            fetching = self._consumer.getmany(tp, timeout_ms=int(FETCH_WAIT_S * 1000), max_records=most)
            found = await self._thread.call(fetching)
        except KafkaError as error:
            if not error.retriable:
                raise LogError(f"reading {topic}/{partition} is no longer allowed: {error}") from error
            log.warning("reading %s/%d waits for Kafka: %s", topic, partition, error)
            await asyncio.sleep(TROUBLED_WAIT_S)
            return []
        return [Message(record.offset, record.value or b"") for record in found.get(tp, ())]

    async def extents(self, partitions: Partitions) -> dict[tuple[str, int], tuple[int, int]]:
        """The first offset, and the one after the last, of each partition; waits while Kafka does not answer."""
        tps = {self._tp(*one): one for one in partitions}
        while True:
            try:
                first, following = await self._thread.call(self._extents(list(tps)))
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("loading partitions waits for Kafka: %s", str(error) or type(error).__name__)
                await asyncio.sleep(TROUBLED_WAIT_S)
            else:
                return {one: (first[tp], following[tp]) for tp, one in tps.items()}

    async def _extents(self, tps: list[TopicPartition]) -> tuple[Mapping[Any, int], Mapping[Any, int]]:
        return await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)

    async def seek(self, offsets: Mapping[tuple[str, int], int]) -> bool:
        """Continue to read from these offsets; False if the partitions are not assigned any more."""

        async def seek() -> bool:
            try:
                for one, offset in offsets.items():
                    self._consumer.seek(self._tp(*one), offset)
            except IllegalStateError:
                return False
            return True

        return await self._thread.call(seek())

    async def rejoin(self) -> None:
        """Start a rebalance: all partitions are revoked, and assigned again."""

        async def rejoin() -> None:
            self._consumer._coordinator.request_rejoin()  # noqa: SLF001  there is no public way; aiokafka is pinned

        await self._thread.call(rejoin())

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit offsets to Kafka, only for its own tools: they are never read here. Does not block or raise."""
        if self._committing is None or self._committing.done():
            told = {self._tp(*one): offset for one, offset in offsets.items()}
            self._committing = self._thread.submit(self._commit(told))

    async def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        try:
            await self._consumer.commit(offsets)
        except (KafkaError, OSError) as error:
            log.debug("the offsets were not committed to Kafka: %s", error)

    def _tp(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.kafka_topic(topic), partition)


class _Listener(ConsumerRebalanceListener):
    """Calls coroutines in the worker's event loop while Kafka waits. Called in the reader's thread."""

    def __init__(
        self, settings: LogSettings, loop: asyncio.AbstractEventLoop, on_assigned: OnChange, on_revoked: OnChange
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """All partitions of this member are revoked; none before the first assignment."""
        partitions = self._ours(revoked)
        if partitions:
            await self._ask(self._on_revoked, partitions)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """All partitions of this member from now on."""
        await self._ask(self._on_assigned, self._ours(assigned))

    def _ours(self, tps: Iterable[TopicPartition]) -> Partitions:
        return {(self._settings.bare_topic(tp.topic), tp.partition) for tp in tps}

    async def _ask(self, on_change: OnChange, partitions: Partitions) -> None:
        async def asked() -> None:
            await on_change(partitions)

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked(), self._loop))
