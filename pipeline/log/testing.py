"""A log in memory for tests, which can be slow, full, away or broken. It keeps the promises of `Appender`."""

from __future__ import annotations

import asyncio

from pipeline.base.errors import LogError, LogFull, LogUnavailable


class FakeAppender:
    """An `Appender` whose messages are in `appended`, as (topic, value), once they count as durable; `by_partition` has
    the values of each partition.

    is_stalled   appends wait until `let_go`
    is_full      appends are refused with LogFull, as long as it is set
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
        """What was handed in and is not durable."""
        return sum(len(value) for _, _, value, _ in self._waiting)

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    def partitions_of(self, topic: str) -> int:  # noqa: ARG002  all have the same
        """As it was made."""
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
        """Answer all appends that wait."""
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
