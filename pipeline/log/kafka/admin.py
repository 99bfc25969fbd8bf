"""Kafka's log for code outside the stream: extents, trimming, reading for tools, and the owners of partitions.

Safe for several threads; Kafka's clients run in their own thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    KafkaError,
    NotCoordinatorForGroupError,
)
from aiokafka.protocol.group import LeaveGroupRequest

from pipeline.base.errors import LogError
from pipeline.log.kafka.connection import as_log_error, client_arguments
from pipeline.log.kafka.loop_thread import LoopThread
from pipeline.log.kafka.protocol import DescribeLogDirsRequest, sizes_in
from pipeline.log.kafka.topics import TopicState, ensure_topics
from pipeline.log.log import Extent, Message
from pipeline.log.settings import MAX_MESSAGE_BYTES, LogSettings
from pipeline.log.topics import READINGS

log = logging.getLogger(__name__)
T = TypeVar("T")

READ_MAX_BYTES = 16 << 20
SIZES_MAX_AGE_S = 5.0
POLL_MS = 200


class KafkaAdmin:
    """The `LogAdmin` of Kafka."""

    others_take_over = True

    def __init__(self, settings: LogSettings) -> None:
        """Connect, and create missing topics. Raises LogError, LogUnavailable."""
        self._settings = settings
        self._thread = LoopThread("log-admin")
        self._clients = _Clients(settings)
        try:
            self._states = self._do("connect", self._clients.open())
        except BaseException:
            self._thread.run(self._clients.close())
            self._thread.stop()
            raise
        self._is_open = True
        self.log_id = self._states[READINGS].topic_id
        self.partitions = self._states[READINGS].partitions

    def partitions_of(self, topic: str) -> int:
        """The number of partitions of a topic."""
        return self._states[topic].partitions

    def partition_id(self, topic: str, partition: int = 0) -> str:
        """`<topic's id>/<topic>/<partition>`: the name under which positions in this partition are stored."""
        return f"{self._states[topic].topic_id}/{topic}/{partition}"

    def extent(self, topic: str, partition: int = 0) -> Extent:
        """The current offsets and size of the partition."""
        self._check(topic, partition)
        return self._do(f"return the extent of {topic}/{partition}", self._clients.extent(self._tp(topic, partition)))

    def read(self, topic: str, from_offset: int, limit: int, partition: int = 0) -> list[Message]:
        """Up to `limit` messages (and about 16 MB) from the first kept offset ≥ `from_offset` on."""
        self._check(topic, partition)
        reading = self._clients.read(self._tp(topic, partition), from_offset, limit)
        return self._do(f"give messages of {topic}/{partition}", reading)

    def trim(self, topic: str, below: int, partition: int = 0) -> None:
        """Remove messages with offsets < `below`.

        If Kafka refuses, log a warning; they stay until their retention ends.
        """
        self._check(topic, partition)
        try:
            self._do(f"trim {topic}/{partition}", self._clients.trim(self._tp(topic, partition), below))
        except LogError as error:
            log.warning("%s", error)

    def first_since(self, topic: str, time_ns: int, partition: int = 0) -> int:
        """See `LogAdmin`: by the time of the append, which is shortly after the arrival."""
        self._check(topic, partition)
        tp = self._tp(topic, partition)
        return self._do(f"find an offset by time in {topic}/{partition}", self._clients.first_since(tp, time_ns))

    def owners(self, own: str) -> Mapping[tuple[str, int], str]:  # noqa: ARG002  # the group knows
        """The client id of the member of the group that owns each (topic, partition) now."""
        settings = self._settings
        owned = self._do("name the owners of the partitions", self._clients.owners(settings.group))
        ours = {settings.kafka_topic(topic): topic for topic in self._states}
        return {(ours[tp.topic], tp.partition): who for tp, who in owned.items() if tp.topic in ours}

    def members(self, own: str) -> frozenset[str]:  # noqa: ARG002  # as above
        """The client ids of the current members of the group."""
        members = self._do("name the members of the group", self._clients.members(self._settings.group))
        return frozenset(member.client_id for member in members)

    def remove(self, client_id: str) -> None:
        """See `LogAdmin`: leave the group for it."""
        self._do("remove a member from the group", self._clients.remove(self._settings.group, client_id))

    def close(self) -> None:
        """Close the log."""
        if self._is_open:
            self._is_open = False
            self._thread.run(self._clients.close())
            self._thread.stop()

    def _tp(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.kafka_topic(topic), partition)

    def _check(self, topic: str, partition: int) -> None:
        partitions = self.partitions_of(topic)
        if not 0 <= partition < partitions:
            raise LogError(f"topic {topic} has partitions 0 to {partitions - 1}, not {partition}")

    def _do(self, what: str, coroutine: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(2 * self._settings.request_s):
                return await coroutine

        try:
            return self._thread.run(bounded())
        except (KafkaError, OSError, TimeoutError) as error:
            raise as_log_error(self._settings, what, error) from error


class _Member(NamedTuple):
    """One member of the group; its assignment is empty during a rebalance."""

    member_id: str
    client_id: str
    assignment: bytes


class _Clients:
    """The part that runs in the thread. There is one consumer, so only one caller reads at a time."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._reading = asyncio.Lock()
        self._sizes: dict[tuple[str, int], tuple[float, int]] = {}
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> Mapping[str, TopicState]:
        arguments = client_arguments(self._settings)
        self._admin = AIOKafkaAdminClient(**arguments)
        await self._admin.start()
        states = await ensure_topics(self._admin, self._settings)
        self._consumer = AIOKafkaConsumer(
            **arguments,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        )
        await self._consumer.start()
        return states

    async def close(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
        if self._admin is not None:
            await self._admin.close()

    @property
    def consumer(self) -> AIOKafkaConsumer:
        assert self._consumer is not None
        return self._consumer

    @property
    def admin(self) -> AIOKafkaAdminClient:
        assert self._admin is not None
        return self._admin

    async def extent(self, tp: TopicPartition) -> Extent:
        first, following = await asyncio.gather(self.consumer.beginning_offsets([tp]), self.consumer.end_offsets([tp]))
        size_bytes = await self._size(tp) if following[tp] > first[tp] else 0
        return Extent(first[tp], following[tp], size_bytes)

    async def _size(self, tp: TopicPartition) -> int:
        """The size of the partition on its leader's disk; 0 if Kafka does not say, or not to us."""
        kept = self._sizes.get(tp)
        if kept is not None and kept[0] > time.monotonic() - SIZES_MAX_AGE_S:
            return kept[1]
        leader = self.consumer._client.cluster.leader_for_partition(tp)  # noqa: SLF001  there is no public way
        size_bytes = 0
        if leader is not None and leader >= 0:
            request = DescribeLogDirsRequest([(tp.topic, [tp.partition])])
            try:
                response: Any = await self.admin._send_request(request, leader)  # noqa: SLF001  as above
                size_bytes = sizes_in(response).get((tp.topic, tp.partition), 0)
            except (NotImplementedError, IncompatibleBrokerVersion):
                pass  # a broker before Kafka 1.0 cannot say
        self._sizes[tp] = time.monotonic(), size_bytes
        return size_bytes

    async def read(self, tp: TopicPartition, from_offset: int, limit: int) -> list[Message]:
        first = (await self.consumer.beginning_offsets([tp]))[tp]
        end = (await self.consumer.end_offsets([tp]))[tp]
        position = max(first, from_offset)
        found: list[Message] = []
        size_bytes = 0
        async with self._reading:
            if position < end and limit > 0:
                self.consumer.assign([tp])
                self.consumer.seek(tp, position)
            while position < end and len(found) < limit and size_bytes < READ_MAX_BYTES:
                records = await self.consumer.getmany(tp, timeout_ms=POLL_MS, max_records=limit - len(found))
                for record in records.get(tp, []):
                    found.append(Message(record.offset, record.value or b""))
                    size_bytes += len(record.value or b"")
                    position = record.offset + 1
            if self.consumer.assignment():
                self.consumer.unsubscribe()
        return found

    async def first_since(self, tp: TopicPartition, time_ns: int) -> int:
        # truncated to Kafka's milliseconds
        found = (await self.consumer.offsets_for_times({tp: time_ns // 1_000_000}))[tp]
        return (await self.consumer.end_offsets([tp]))[tp] if found is None else int(found.offset)

    async def trim(self, tp: TopicPartition, below: int) -> None:
        first = (await self.consumer.beginning_offsets([tp]))[tp]
        end = (await self.consumer.end_offsets([tp]))[tp]
        below = min(below, end)
        if below > first:
            self._sizes.pop(tp, None)
            await self.admin.delete_records({tp: RecordsToDelete(below)})

    async def owners(self, group: str) -> dict[TopicPartition, str]:
        return {
            tp: member.client_id
            for member in await self.members(group)
            if member.assignment
            for tp in ConsumerProtocolMemberAssignment.decode(member.assignment).partitions()
        }

    async def members(self, group: str) -> list[_Member]:
        try:
            (response,) = await self.admin.describe_consumer_groups([group])
        except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
            return []  # the group does not exist yet, or moves to another broker
        answer: Any = response
        return [
            _Member(member_id, client_id, assignment if state == "Stable" else b"")
            for _code, _group, state, _type, _protocol, members, *_rest in answer.groups
            for member_id, client_id, _host, _metadata, assignment in members
        ]

    async def remove(self, group: str, client_id: str) -> None:
        """Kafka answers also if another worker was first."""
        coordinator = await self.admin.find_coordinator(group)
        for member in await self.members(group):
            if member.client_id == client_id:
                await self.admin._send_request(LeaveGroupRequest(group, member.member_id), coordinator)  # noqa: SLF001  as above
