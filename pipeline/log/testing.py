"""A log in memory for tests, which can be slow, full, unavailable or broken.

It has the same guarantees as `Appender`.
"""

from __future__ import annotations

import asyncio

from pipeline.base.errors import LogError, LogFull, LogUnavailable


class FakeAppender:
    """An `Appender` whose durable messages are in `appended`, as (topic, value), and by partition in `by_partition`.

    is_stalled   appends wait until `let_go`
    is_full      appends are refused with LogFull while it is set
    unavailable  appends to these partitions raise LogUnavailable
    broken       appends fail with this
    """

    def __init__(self, partitions: int = 1) -> None:
        self.appended: list[tuple[str, bytes]] = []
        self.by_partition: dict[int, list[bytes]] = {number: [] for number in range(partitions)}
        self.unavailable: set[int] = set()
        self.is_stalled = False
        self.is_full = False
        self.broken: LogError | None = None
        self.refusals = 0
        self._waiting: list[tuple[str, int, bytes, asyncio.Future[int]]] = []

    @property
    def waiting_bytes(self) -> int:
        """The size of pending appends."""
        return sum(len(value) for _, _, value, _ in self._waiting)

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    def partitions_of(self, topic: str) -> int:  # noqa: ARG002  all have the same
        """The number given to the constructor."""
        return len(self.by_partition)

    def append(self, topic: str, value: bytes, partition: int = 0) -> asyncio.Future[int]:
        """See `Appender`."""
        assert partition in self.by_partition
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._waiting.append((topic, partition, value, future))
        if not self.is_stalled:
            loop.call_soon(self.let_go)
        return future

    def let_go(self) -> None:
        """Complete all pending appends."""
        waiting, self._waiting = self._waiting, []
        for topic, partition, value, future in waiting:
            if future.done():
                continue
            if self.broken is not None:
                future.set_exception(self.broken)
            elif self.is_full:
                self.refusals += 1
                future.set_exception(LogFull("the log is full because a test says so"))
            elif partition in self.unavailable:
                self.refusals += 1
                future.set_exception(LogUnavailable("Kafka is away because a test says so"))
            else:
                self.appended.append((topic, value))
                self.by_partition[partition].append(value)
                future.set_result(len(self.by_partition[partition]) - 1)
