"""The interface of the durable log, for both implementations.

A log has topics, a topic has partitions, a partition is a sequence of messages with growing offsets. Faust reads the
log for processing (`pipeline.log.faust.transport`); here is what Faust does not do: durable appends, trimming, sizes,
and the identity of the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from pipeline.base.errors import FrameError


@dataclass(frozen=True, slots=True)
class Extent:
    """The content of a partition: offsets in [first, next_offset), `size_bytes` of values.

    Empty if both offsets are equal.

    On Kafka `size_bytes` is the size on the leader's disk (0 if it does not say), some seconds old.
    """

    first: int
    next_offset: int
    size_bytes: int


class Damaged(bytes):
    """The value of a message that is not as it was appended: its checksum does not match."""

    __slots__ = ()


def refuse_damaged(value: bytes) -> None:
    """Raise FrameError if the value of a message is damaged."""
    if isinstance(value, Damaged):
        raise FrameError(f"a log message of {len(value)} bytes that does not match its checksum: the log was damaged")


class Message(NamedTuple):
    """One message of a partition."""

    offset: int
    value: bytes


class Appender(Protocol):
    """Appends to the log from one event loop. Appends wait together for one durable write (group commit)."""

    async def start(self) -> None:
        """Open the log. Raises LogError."""

    async def stop(self) -> None:
        """Finish pending appends, then close."""

    def partitions_of(self, topic: str) -> int:
        """The number of partitions of a topic, once started."""
        ...

    def append(self, topic: str, value: bytes, partition: int = 0) -> asyncio.Future[int]:
        """A future of the message's offset, done when the message is durable. Does not block.

        The future raises LogFull if the log is at its limit, and nothing was written; LogUnavailable if no broker
        answered in time, and the message may be in the log or not; LogError if the log failed. The order of calls is
        the order in the partition: if an append is LogUnavailable, so are all later ones of its partition that are
        still pending.
        """
        ...


class LogAdmin(Protocol):
    """The log for code outside the stream.

    Methods may block for milliseconds: do not call them in a hot path of an event loop.
    """

    log_id: str
    partitions: int  # of [readings]
    others_take_over: bool  # whether another worker may take over: then it reads the topics that this one has archived

    def partitions_of(self, topic: str) -> int:
        """The number of partitions of a topic."""
        ...

    def partition_id(self, topic: str, partition: int = 0) -> str:
        """`<log id>/<topic>/<partition>`: the name under which positions in this partition are stored.

        On Kafka the log id is that of the topic, because a single topic can be deleted and created again.
        """
        ...

    def extent(self, topic: str, partition: int = 0) -> Extent:
        """The current offsets and size of the partition."""
        ...

    def read(self, topic: str, from_offset: int, limit: int, partition: int = 0) -> list[Message]:
        """Up to `limit` messages from the first kept offset ≥ `from_offset` on; for tools and tests."""
        ...

    def trim(self, topic: str, below: int, partition: int = 0) -> None:
        """Remove messages with offsets < `below`; may remove fewer. Offsets are never reused."""
        ...

    def first_since(self, topic: str, time_ns: int, partition: int = 0) -> int:
        """The first offset that arrived at `time_ns` or later; the next offset if there is none."""
        ...

    def owners(self, own: str) -> Mapping[tuple[str, int], str]:
        """The worker that reads each (topic, partition) now, by client id; without partitions that nobody reads.

        `own` is the caller: on the embedded log it owns everything.
        """
        ...

    def members(self, own: str) -> frozenset[str]:
        """The client ids of all current workers, also of those without partitions. `own` is the caller."""
        ...

    def remove(self, client_id: str) -> None:
        """Give the partitions of a worker that has ended without leaving the group to others now. Raises LogError."""
        ...

    def close(self) -> None:
        """Close the log."""


class WorkerRight(Protocol):
    """The right to be a worker of the log; as a context manager it is released at the end."""

    def release(self) -> None:
        """Release the right."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...
