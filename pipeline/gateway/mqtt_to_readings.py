"""MQTT messages → [readings]: the messages of an *ack batch* become one frame, then get their PUBACKs.

Messages that the gateway rejects (`reject`) are in another frame of the same batch. On a log with several partitions a
batch becomes one frame for each partition that its messages belong to.

The rules: a PUBACK is sent only when all frames of its batch and of earlier ones are durable, so PUBACKs keep the order
of PUBLISHes. Only one *flight* of appends is in progress at a time; messages that arrive meanwhile form the next one.
So a frame that the log refused (LogFull, LogUnavailable) is appended again before any later one of its partition,
nothing is dropped, and the data that waits for the log is bounded: above `max_waiting_*` the gateway has to stop
reading (`is_pressed`), until half of it is in the log. A frame that may be in the log although Kafka did not answer
says so when it is appended again (`FrameKind.MQTT_AGAIN`): so its messages without a time of their own are stored once.

Ticks (`tell_listening`) wait in the same queue, behind everything received before them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pipeline.base import metrics
from pipeline.base.arrival import SPACING_NS, ArrivalStamps
from pipeline.base.errors import LogError, LogFull, LogUnavailable
from pipeline.gateway.listening import Listening
from pipeline.gateway.throttle import Throttle
from pipeline.log.dead_letter import Rejection, encode_rejection
from pipeline.log.frame import FrameKind, encode_frame, repeated
from pipeline.log.log import Appender
from pipeline.log.tick import encode_tick
from pipeline.log.topics import READINGS
from pipeline.stream.partitioning import Partitioner

RETRY_S = 0.25  # the delay before a refused frame is appended again, while the log drains
PARTITIONED_CLOSE_AFTER_S = 0.1  # partitions divide batches: with a longer wait their frames are still large

Refusal = LogFull | LogUnavailable  # temporary errors


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """When an ack batch closes, and how much may wait for the log before reading stops."""

    close_after_s: float = 0.02
    max_messages: int = 1_000
    max_bytes: int = 1 << 20
    max_waiting_messages: int = 50_000
    max_waiting_bytes: int = 32 << 20


class Publisher(Protocol):
    """The publisher of messages with `qos` 1 or 2, which waits for PUBACKs or PUBRECs."""

    @property
    def qos(self) -> int:
        """1 or 2."""
        ...

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        """Send one for each; called once per batch, in the order of the PUBLISHes.

        Returns the number sent: all or none.
        """
        ...


@dataclass(slots=True)
class _Append:
    """The append of one frame to one partition."""

    partition: int
    value: bytes
    is_durable: bool = False


class AckBatch:
    """The messages that are acknowledged together.

    The caller appends to `mqtt_topics` and `payloads` and then calls `MqttToReadings.took`: that is the bulk path,
    without an object or a call per message.
    """

    __slots__ = (
        "accounts",
        "acks",
        "appends",
        "arrival_ns",
        "mqtt_topics",
        "of_qos",
        "payloads",
        "rejected",
        "size_bytes",
    )

    def __init__(self) -> None:
        self.arrival_ns: list[int] = []
        self.accounts: list[str] = []
        self.mqtt_topics: list[str] = []
        self.payloads: list[bytes] = []
        self.acks: dict[Publisher, list[bytes]] = {}
        self.of_qos = [0, 0, 0]  # the number of messages by QoS, of which 1 and 2 wait for an acknowledgement
        self.rejected: set[int] = set()  # the indices of rejected messages
        self.size_bytes = 0
        self.appends: list[_Append] = []  # after it is closed

    @property
    def is_durable(self) -> bool:
        """Whether all its frames are."""
        return all(append.is_durable for append in self.appends)

    @property
    def waiting_bytes(self) -> int:
        """The size of its frames."""
        return sum(len(append.value) for append in self.appends)


class MqttToReadings:
    """The stage, in the gateway's event loop.

    `failed` raises when the log failed permanently; then everything stops.
    """

    def __init__(
        self,
        appender: Appender,
        settings: BatchSettings,
        *,
        stamps: ArrivalStamps,
        on_pressure: Callable[[bool], None],
        partition_of: Partitioner | None = None,
        listening: Listening | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        """`throttle`: told what accounts send; None: none has a quota.

        `listening`: told in the log at each `tell_listening`; None: nobody wants to know.
        """
        self.batch = AckBatch()
        self.is_pressed = False
        self.refusal: Refusal | None = None  # the log's last refusal, while there is one
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._appender = appender
        self._settings = settings
        self._stamps = stamps
        self._on_pressure = on_pressure
        self._partition_of = partition_of  # None: there is only one
        self._listening = listening
        self.throttle = throttle
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._is_due = False
        self._waiting: deque[AckBatch] = deque()
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self._in_flight = 0
        self._new_refusal: Refusal | None = None  # of the flight in progress
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def trouble(self) -> str:
        """Why it is pressed, for people."""
        if self.refusal is not None:
            return str(self.refusal)
        return f"{self._waiting_messages} messages ({self._waiting_bytes >> 20} MiB) wait for the log"

    @property
    def room(self) -> int:
        """How many more messages the open batch may take; never 0."""
        return self._settings.max_messages - len(self.batch.arrival_ns)

    def took(self, account: str, count: int, size_bytes: int, publisher: Publisher | None, ids: list[bytes]) -> None:
        """The last `count` ≥ 1 messages of `batch` came from `account`; `ids` are their packet identifiers, if any."""
        batch = self.batch
        if self.throttle is not None:
            self.throttle.note(account, count)
        stamp_ns = self._stamps.take(count)
        if count == 1:
            batch.arrival_ns.append(stamp_ns)
            batch.accounts.append(account)
        else:
            batch.arrival_ns.extend(range(stamp_ns, stamp_ns + count * SPACING_NS, SPACING_NS))
            batch.accounts.extend([account] * count)
        batch.size_bytes += size_bytes
        if publisher is not None and ids:
            batch.of_qos[publisher.qos] += len(ids)
            acks = batch.acks.get(publisher)
            if acks is None:
                batch.acks[publisher] = ids
            else:
                acks += ids
        if len(batch.arrival_ns) >= self._settings.max_messages or batch.size_bytes >= self._settings.max_bytes:
            self._close_batch()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._settings.close_after_s, self._on_due)

    def take(
        self, account: str, mqtt_topic: str, payload: bytes, publisher: Publisher | None, ids: list[bytes]
    ) -> None:
        """Add one message of `account`."""
        batch = self.batch
        batch.mqtt_topics.append(mqtt_topic)
        batch.payloads.append(payload)
        self.took(account, 1, len(payload) + len(mqtt_topic), publisher, ids)

    def reject(
        self, account: str, mqtt_topic: str, rejection: Rejection, publisher: Publisher | None, ids: list[bytes]
    ) -> None:
        """Add one message of `account` that is not a reading: it becomes a dead letter, and is acknowledged."""
        self.batch.rejected.add(len(self.batch.payloads))
        self.take(account, mqtt_topic, encode_rejection(rejection), publisher, ids)

    def acknowledge_in_turn(self, publisher: Publisher, ids: list[bytes]) -> None:
        """Acknowledge messages without content to keep, after all messages before them."""
        if self.batch.arrival_ns:
            acks = self.batch.acks
        elif self._waiting:
            acks = self._waiting[-1].acks
        else:
            metrics.messages_acknowledged.inc(publisher.acknowledge(ids))
            return
        acks.setdefault(publisher, []).extend(ids)

    def hurry(self) -> None:
        """Close the open batch as soon as the log is free, because its publishers wait for PUBACKs."""
        if self.batch.arrival_ns:
            self._is_due = True
            self._send()

    def tell_listening(self, *, is_last: bool = False) -> None:
        """Append a tick to each partition; called about each second, and at the end. Not while nothing is read."""
        if self._listening is None or self.is_pressed or self.failed.done():
            return
        if self.batch.arrival_ns:
            self._enqueue()
        value = encode_tick(self._listening.tick(self._stamps.take(), is_last=is_last))
        batch = AckBatch()
        partitions = 1 if self._partition_of is None else self._partition_of.partitions
        batch.appends = [_Append(partition, value) for partition in range(partitions)]
        self._wait_for_log(batch)
        self._send()

    async def drain(self) -> None:
        """Close the open batch, and wait until everything is durable and acknowledged.

        No messages may be added any more.
        """
        self.tell_listening(is_last=True)
        self._is_due = True
        self._send()
        if not self.failed.done():
            await self._drained.wait()

    def stop(self) -> None:
        """Cancel the timers; what is not durable was never acknowledged."""
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()

    def _on_due(self) -> None:
        self._timer = None
        self._is_due = True
        self._send()

    def _close_batch(self) -> None:
        """Add the open batch to the queue as frames."""
        self._enqueue()
        self._send()

    def _enqueue(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_due = False
        batch, self.batch = self.batch, AckBatch()
        batch.appends = _appends_of(batch, self._partition_of)
        _count_received(batch)
        batch.accounts, batch.mqtt_topics, batch.payloads = [], [], []  # the frames have them
        self._wait_for_log(batch)

    def _wait_for_log(self, batch: AckBatch) -> None:
        self._waiting.append(batch)
        self._waiting_messages += len(batch.arrival_ns)
        self._waiting_bytes += batch.waiting_bytes
        self._drained.clear()
        self._judge_pressure()

    def _send(self) -> None:
        """Start a flight of all closed batches, unless one is in progress or the log needs time to drain."""
        if self._in_flight or self._retry is not None or self.failed.done():
            return
        if self._is_due and self.batch.arrival_ns:
            self._close_batch()  # calls this method again
            return
        appends = [append for batch in self._waiting for append in batch.appends if not append.is_durable]
        if self.refusal is not None:
            # A log that was full gets one frame only, because a smaller frame behind it must not be appended before it.
            appends = list({append.partition: append for append in reversed(appends)}.values())
        self._in_flight = len(appends)
        began_s = time.monotonic()
        for append in appends:
            try:
                future = self._appender.append(READINGS, append.value, append.partition)
            except LogError as error:
                self._fail(error)
                return
            future.add_done_callback(partial(self._answered, append, began_s))

    def _answered(self, append: _Append, began_s: float, future: asyncio.Future[int]) -> None:
        self._in_flight -= 1
        if future.cancelled():
            self._fail(LogError("the log cancelled an append"))
            return
        error = future.exception()
        if error is None:
            append.is_durable = True
            metrics.append_seconds.observe(time.monotonic() - began_s)
        elif not isinstance(error, Refusal):
            self._fail(error)
            return
        else:
            self._new_refusal = error
            if isinstance(error, LogUnavailable):
                size_bytes = len(append.value)
                append.value = repeated(append.value)
                self._waiting_bytes += len(append.value) - size_bytes
        self._release()
        if self._in_flight == 0:
            self._landed()

    def _landed(self) -> None:
        self.refusal, self._new_refusal = self._new_refusal, None
        if self.refusal is not None:
            self._retry = self._loop.call_later(RETRY_S, self._offer_again)
        self._judge_pressure()
        if not self._waiting and not (self._is_due and self.batch.arrival_ns):
            self._drained.set()
        self._send()

    def _offer_again(self) -> None:
        self._retry = None
        self._send()

    def _release(self) -> None:
        """Acknowledge durable batches, from the head of the queue."""
        while self._waiting and self._waiting[0].is_durable:
            batch = self._waiting.popleft()
            self._waiting_messages -= len(batch.arrival_ns)
            self._waiting_bytes -= batch.waiting_bytes
            sent = sum(publisher.acknowledge(packet_ids) for publisher, packet_ids in batch.acks.items())
            metrics.messages_acknowledged.inc(sent)

    def _judge_pressure(self) -> None:
        share = max(
            self._waiting_messages / self._settings.max_waiting_messages,
            self._waiting_bytes / self._settings.max_waiting_bytes,
        )
        is_pressed = self.refusal is not None or share >= (0.5 if self.is_pressed else 1)
        if is_pressed != self.is_pressed:
            self.is_pressed = is_pressed
            if self._listening is not None:
                self._listening.interrupt()
            self._on_pressure(is_pressed)

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)
        self._drained.set()


Columns = tuple[list[int], list[str], list[str], list[bytes]]


def _appends_of(batch: AckBatch, partition_of: Partitioner | None) -> list[_Append]:
    """The frames of a batch: for each kind, one for each partition that its messages belong to."""
    columns = batch.arrival_ns, batch.accounts, batch.mqtt_topics, batch.payloads
    if not batch.rejected:
        return _frames(FrameKind.MQTT, columns, partition_of)
    rejected = sorted(batch.rejected)
    kept = [row for row in range(len(batch.payloads)) if row not in batch.rejected]
    return [
        *(_frames(FrameKind.MQTT, _rows(columns, kept), partition_of) if kept else ()),
        *_frames(FrameKind.REJECTED, _rows(columns, rejected), partition_of),
    ]


def _rows(columns: Columns, rows: list[int]) -> Columns:
    arrival_ns, accounts, mqtt_topics, payloads = columns
    return (
        [arrival_ns[row] for row in rows],
        [accounts[row] for row in rows],
        [mqtt_topics[row] for row in rows],
        [payloads[row] for row in rows],
    )


def _frames(kind: FrameKind, columns: Columns, partition_of: Partitioner | None) -> list[_Append]:
    if partition_of is None:
        return [_Append(0, encode_frame(kind, *columns))]
    parts: dict[int, Columns] = {}
    for arrival_ns, account, mqtt_topic, payload in zip(*columns, strict=True):
        partition = partition_of(account, mqtt_topic)
        part = parts.get(partition)
        if part is None:
            part = parts[partition] = [], [], [], []
        part[0].append(arrival_ns)
        part[1].append(account)
        part[2].append(mqtt_topic)
        part[3].append(payload)
    return [_Append(partition, encode_frame(kind, *part)) for partition, part in parts.items()]


def _count_received(batch: AckBatch) -> None:
    of_qos = [len(batch.arrival_ns) - sum(batch.of_qos), *batch.of_qos[1:]]
    for qos, count in enumerate(of_qos):
        metrics.messages_received.labels(str(qos)).inc(count)
    metrics.bytes_received.inc(batch.size_bytes)
    metrics.batch_messages.observe(len(batch.arrival_ns))
