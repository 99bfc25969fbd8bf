"""What the stream asks of its durable log, whichever it is.

A log has topics, a topic has partitions, a partition is a sequence of messages with offsets that only grow. Reading
for processing is Faust's business (`pipeline.log.faust.transport`); here is what Faust does not do: appends that are
answered when they are durable, trimming, sizes, and the log's identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition holds: offsets in [first, next_offset), `size_bytes` of values. Empty if both are equal.

    On Kafka `size_bytes` is what the partition takes on the leader's disk (0 where it does not say), some seconds old.
    """

    first: int
    next_offset: int
    size_bytes: int


class Message(NamedTuple):
    """One message of a partition."""

    offset: int
    value: bytes


class Appender(Protocol):
    """Appends to the log from one event loop. Appends wait together for one durable write (group commit)."""

    async def start(self) -> None:
        """Open the log. Raises LogError."""

    async def stop(self) -> None:
        """Finish what was appended, then close."""

    def partitions_of(self, topic: str) -> int:
        """The number of partitions of a topic, once started."""
        ...

    def append(self, topic: str, value: bytes, partition: int = 0) -> asyncio.Future[int]:
        """A future of the message's offset, done once it is durable. It raises LogFull if the log is at its cap, and
        then nothing was written; LogUnavailable if no broker answered in time, and then it may be in the log or not;
        LogError if the log failed. Order of calls is order in the partition: when an append is LogUnavailable, so are
        those of its partition that were handed in after it and are not answered. Does not block.
        """
        ...


class LogAdmin(Protocol):
    """The log seen from outside the stream. Methods may block for milliseconds: not for an event loop's hot path."""

    log_id: str
    partitions: int  # of [readings]
    others_take_over: bool  # whether another worker may go on where one has ended: it reads what this one has archived

    def partitions_of(self, topic: str) -> int:
        """The number of partitions of a topic."""
        ...

    def partition_id(self, topic: str, partition: int = 0) -> str:
        """`<log id>/<topic>/<partition>`: the name under which positions in it are kept.

        The log id is the topic's own where a topic can be deleted and made anew without the others (Kafka).
        """
        ...

    def extent(self, topic: str, partition: int = 0) -> Extent:
        """What the partition holds now."""
        ...

    def read(self, topic: str, from_offset: int, limit: int, partition: int = 0) -> list[Message]:
        """Up to `limit` messages from the first kept offset ≥ `from_offset` on; for tools and tests."""
        ...

    def trim(self, topic: str, below: int, partition: int = 0) -> None:
        """Remove messages with offsets < `below`; may remove fewer. Offsets are never used again."""
        ...

    def first_since(self, topic: str, time_ns: int, partition: int = 0) -> int:
        """The first offset that came at `time_ns` or later; the next one of all if none did."""
        ...

    def owners(self, own: str) -> Mapping[tuple[str, int], str]:
        """Which worker reads each (topic, partition) now, by the client id it gave itself; without those that nobody
        reads at this moment. `own` is who asks: on the embedded log everything is its own.
        """
        ...

    def members(self, own: str) -> frozenset[str]:
        """The workers of the log now by their client ids, those that read nothing too. `own` is who asks."""
        ...

    def close(self) -> None:
        """Let go of the log."""


class WorkerRight(Protocol):
    """The right to be a worker of the log; a context that ends it."""

    def release(self) -> None:
        """Let another worker have it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...
