"""A model of the durable log, with the semantics of `pipeline.log.log`: group commit, positions, refusals, trimming.

The real logs are SQLite and Kafka, which have tests of their own (tests/contracts/log holds both to one interface).
Appends of a process wait for a commit; a kill leaves some of what waited, in order, unacknowledged. What is committed
is kept for the checker in `history`, also after it is trimmed. As Kafka, an append may stay unanswered though it is
made.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from pipeline.base.errors import LogFull, LogUnavailable
from pipeline.log.log import Extent, Message
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from tests.simulation.loop import Loop, Process, current

LOG_ID = "5eed"


@dataclass(slots=True)
class Partition:
    """`history` is everything ever committed; offsets below `first` are trimmed."""

    history: list[bytes] = field(default_factory=list)
    first: int = 0


@dataclass(slots=True)
class _Append:
    process: Process | None
    topic: str
    partition: int
    value: bytes
    done: asyncio.Future[int]


class Log:
    """The log of one host, or a Kafka that several workers use."""

    def __init__(
        self,
        loop: Loop,
        rng: random.Random,
        partitions: int,
        latencies_s: Sequence[float],
        note: Callable[[str], None],
    ) -> None:
        self.loop = loop
        self.partitions = partitions
        self.is_full = False
        self.is_away = False
        self.on_readings: Callable[[bytes], bytes] = lambda value: value  # what the disk makes of a frame
        self._rng = rng
        self._latencies_s = latencies_s
        self._note = note
        self._of = {
            (topic, number): Partition()
            for topic, count in ((READINGS, partitions), (ALERTS, 1), (DEAD_LETTERS, 1))
            for number in range(count)
        }
        self._waiting: list[_Append] = []
        self._is_committing = False
        self._readers: list[asyncio.Event] = []

    def of(self, topic: str, partition: int = 0) -> Partition:
        return self._of[topic, partition]

    def append(self, topic: str, value: bytes, partition: int) -> asyncio.Future[int]:
        append = _Append(current(), topic, partition, value, self.loop.create_future())
        self._waiting.append(append)
        self._commit_later()
        return append.done

    def killed(self, process: Process) -> None:
        """Commit some of what the process waited for, and forget the rest."""
        waiting = [append for append in self._waiting if append.process is process]
        self._waiting = [append for append in self._waiting if append.process is not process]
        for append in waiting[: self._rng.randrange(len(waiting) + 1)]:
            self._commit_one(append)

    def _commit_later(self) -> None:
        if not self._is_committing:
            self._is_committing = True
            self.loop.call_later(self._rng.choice(self._latencies_s), self._commit, context=_NOBODY)

    def _commit(self) -> None:
        self._is_committing = False
        waiting, self._waiting = self._waiting, []
        refused: set[tuple[str, int]] = set()
        for append in waiting:
            where = append.topic, append.partition
            error: Exception | None = None
            if self.is_full and append.topic == READINGS:
                error = LogFull("the simulated log is full")
            elif where in refused or (self.is_away and self._rng.random() < 0.7):
                error = LogUnavailable("the simulated Kafka does not answer")
                if where not in refused and self._rng.random() < 0.3:
                    self._commit_one(append)
                refused.add(where)
            offset = -1 if error else self._commit_one(append)
            self.loop.call_later(0.0005, _answer, append.done, offset, error, context=_NOBODY)

    def _commit_one(self, append: _Append) -> int:
        partition = self._of[append.topic, append.partition]
        value = self.on_readings(append.value) if append.topic == READINGS else append.value
        partition.history.append(value)
        offset = len(partition.history) - 1
        self._note(f"log {append.topic}/{append.partition} {offset}: {len(value)} bytes")
        for reader in self._readers:
            reader.set()
        return offset

    def tell(self, reader: asyncio.Event) -> None:
        """Set this at every commit from now on."""
        self._readers.append(reader)


class Source:
    """What a stage reads: a topic, of which the assignment says from where; nothing before it.

    After an assignment a frame takes `slow_s`, for a while, as on a busy machine. `on_trimmed` is called with a
    partition, where it is read, and where it begins, if that is later.
    """

    SLOW_FOR_S = 2.0

    def __init__(
        self,
        log: Log,
        topic: str,
        rng: random.Random,
        on_trimmed: Callable[[str, int, int, int], None],
        slow_s: float = 0.0,
    ) -> None:
        self._log = log
        self._topic = topic
        self._rng = rng
        self._on_trimmed = on_trimmed
        self._slow_s = slow_s
        self._slow_until_s = 0.0
        self._at: dict[int, int] = {}
        self._news = asyncio.Event()
        log.tell(self._news)

    def assign(self, starts: Mapping[int, int]) -> None:
        """Read on from these offsets, by partition; none: nothing is read."""
        self._at = dict(starts)
        self._slow_until_s = self._log.loop.time() + self.SLOW_FOR_S
        self._news.set()

    async def events(self) -> AsyncIterator[Any]:
        """Events of Faust's form."""
        while True:
            if self._slow_s and self._log.loop.time() < self._slow_until_s:
                await asyncio.sleep(self._slow_s)
            event = self._next()
            if event is not None:
                yield event
                continue
            self._news.clear()
            await self._news.wait()
            await asyncio.sleep(self._rng.choice((0.001, 0.005)))

    def _next(self) -> Any:
        for number, offset in sorted(self._at.items()):
            partition = self._log.of(self._topic, number)
            if offset < partition.first:
                del self._at[number]  # nothing of it is read before it is assigned again
                self._on_trimmed(self._topic, number, offset, partition.first)
            elif offset < len(partition.history):
                self._at[number] += 1
                value = partition.history[offset]
                message = SimpleNamespace(topic=self._topic, partition=number, offset=offset, value=value)
                return SimpleNamespace(message=message, value=value)
        return None


class Appender:
    """`pipeline.log.log.Appender`."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def append(self, topic: str, value: bytes, partition: int = 0) -> asyncio.Future[int]:
        return self._log.append(topic, value, partition)


class Admin:
    """`pipeline.log.log.LogAdmin`."""

    def __init__(self, log: Log, *, others_take_over: bool) -> None:
        self._log = log
        self.log_id = LOG_ID
        self.partitions = log.partitions
        self.others_take_over = others_take_over

    def partitions_of(self, topic: str) -> int:
        return self.partitions if topic == READINGS else 1

    def partition_id(self, topic: str, partition: int = 0) -> str:
        return f"{LOG_ID}/{topic}/{partition}"

    def extent(self, topic: str, partition: int = 0) -> Extent:
        of = self._log.of(topic, partition)
        return Extent(of.first, len(of.history), 0)

    def read(self, topic: str, from_offset: int, limit: int, partition: int = 0) -> list[Message]:
        of = self._log.of(topic, partition)
        first = max(from_offset, of.first)
        return [Message(first + at, value) for at, value in enumerate(of.history[first : first + limit])]

    def trim(self, topic: str, below: int, partition: int = 0) -> None:
        of = self._log.of(topic, partition)
        of.first = max(of.first, min(below, len(of.history)))

    def first_since(self, topic: str, _time_ns: int, partition: int = 0) -> int:
        """The configuration never changes here, so everything was received under it."""
        return self._log.of(topic, partition).first

    def close(self) -> None:
        pass


class Channel:
    """`RecordsChannel` for one of its readers."""

    def __init__(self, size: int) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(size)
        self._is_waiting = False

    async def put(self, item: Any) -> None:
        await self._queue.put(item)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            self._is_waiting = True
            item = await self._queue.get()
            self._is_waiting = False
            yield item

    @property
    def is_done(self) -> bool:
        """Whether its reader has processed everything."""
        return self._is_waiting and self._queue.empty()


def _answer(done: asyncio.Future[int], offset: int, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(offset)
    else:
        done.set_exception(error)
        done.exception()  # the process may be gone


_NOBODY = Context()
