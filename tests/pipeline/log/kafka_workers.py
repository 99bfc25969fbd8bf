"""Workers of one group on the tests' Kafka, in this process and in others."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from faust.types import TP

from pipeline.log import open_appender
from pipeline.log.faust.app import App, new_app, running
from pipeline.log.faust.transport import LogUse
from pipeline.log.log import Appender
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS

DEADLINE_S = 60.0
SCRIPT = Path(__file__).parent / "processes" / "kafka_worker.py"


async def until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Return as soon as the condition holds; fail after the deadline."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        await asyncio.sleep(0.01)


class Worker:
    """An application over READINGS with positions in memory, shared by all workers of a test: as if in the store.

    calls   what was asked of it, in order, with the partitions: ("assigned", …), ("start", …), ("revoked", …)
    """

    def __init__(self, settings: LogSettings, positions: dict[int, int], name: str = "worker") -> None:
        self.positions = positions
        self.calls: list[tuple[str, set[int]]] = []
        self.events: list[tuple[int, int, bytes]] = []
        self.partitions: set[int] = set()
        self.going_on = asyncio.Event()
        self.going_on.set()
        use = LogUse(settings, self.start, self._assigned, self._revoked, name)
        self.app: App = new_app(use, name=name)

        @self.app.agent(self.app.topic(READINGS), concurrency=1)
        async def note(stream: Any) -> None:
            async for event in stream.events():
                await self.going_on.wait()
                message = event.message
                self.events.append((message.partition, message.offset, event.value))
                self.positions[message.partition] = message.offset + 1

    def start(self, tp: TP) -> int | None:
        """Where a partition is read from."""
        if tp.topic == READINGS:
            self.calls.append(("start", {tp.partition}))
        return self.positions.get(tp.partition) if tp.topic == READINGS else None

    async def _assigned(self, partitions: set[TP]) -> None:
        self.partitions = {tp.partition for tp in partitions if tp.topic == READINGS}
        self.calls.append(("assigned", set(self.partitions)))

    async def _revoked(self, partitions: set[TP]) -> None:
        self.calls.append(("revoked", {tp.partition for tp in partitions if tp.topic == READINGS}))
        self.partitions = set()

    def values(self, partition: int) -> list[bytes]:
        """What it got of a partition."""
        return [value for one, _, value in self.events if one == partition]


@asynccontextmanager
async def appending(settings: LogSettings) -> AsyncIterator[Appender]:
    appender = open_appender(settings)
    await appender.start()
    try:
        yield appender
    finally:
        await appender.stop()


@contextmanager
def worker_process(settings: LogSettings, client_id: str) -> Iterator[subprocess.Popen[str]]:
    """The script kafka_worker, running; killed at the end."""
    command = [sys.executable, str(SCRIPT), pickle.dumps(settings).hex(), client_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


__all__ = ["Worker", "appending", "running", "until", "worker_process"]
