"""The logs that the contract is asked of: `bench` is each of them in turn; `local_bench` is the embedded one alone, for
laws about disks and caps, which Kafka has of its own.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.log import open_admin, open_appender
from pipeline.log.embedded import topic_file
from pipeline.log.faust.app import App, new_app
from pipeline.log.faust.transport import LogUse
from pipeline.log.log import Appender, Extent, LogAdmin
from pipeline.log.settings import LogSettings
from tests.support.kafka_broker import Broker, delete_topics

PROCESSES = Path(__file__).parent / "processes"
DEADLINE_S = 60.0
ROOMY_BYTES = 1 << 30


class LocalLog:
    """The embedded log in a folder of its own."""

    def __init__(self, folder: Path, stack: AsyncExitStack, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._stack = stack
        self._patch = patch
        self.settings = LogSettings(f"local://{folder}", ROOMY_BYTES, 0)

    def on_small_disk(self) -> SmallDisk:
        """Put the log, not yet opened, on a small disk."""
        return SmallDisk(self._folder, self._stack, self._patch)

    def for_reader(self, _name: str) -> LogSettings:
        """Settings of a reader that sees everything, whoever else reads."""
        return self.settings

    async def replace(self) -> None:
        """Put an empty log in the place of this one."""
        shutil.rmtree(self._folder)


class KafkaLog:
    """Topics of its own on the tests' broker; one partition, as the laws speak of one."""

    def __init__(self, broker: Broker) -> None:
        # no reader is taken for dead because it, or Kafka, had to wait for a busy machine: it would read again
        self.settings = broker.settings(partitions=1, session_s=20.0, heartbeat_s=0.3)

    def for_reader(self, name: str) -> LogSettings:
        """Settings of a reader that sees everything: those of one group would share it."""
        return replace(self.settings, group=self.settings.prefix + name)

    async def replace(self) -> None:
        """Put empty topics in the place of these."""
        await delete_topics(self.settings)


class SmallDisk:
    """A disk that the log fills: 24 MB of memory where mounting is allowed, otherwise SQLite's own limit of pages."""

    SIZE_BYTES = 24 << 20

    def __init__(self, folder: Path, stack: AsyncExitStack, patch: pytest.MonkeyPatch) -> None:
        folder.mkdir(parents=True)
        self._ballast = folder / "ballast"
        self._is_mounted = os.geteuid() == 0 and self._mount(folder, stack)
        if self._is_mounted:
            self._ballast.write_bytes(bytes(self.SIZE_BYTES // 2))
        else:
            connect = topic_file._connect

            def connect_limited(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
                db = connect(path, busy_timeout_s)
                db.execute(f"PRAGMA max_page_count={self.SIZE_BYTES // topic_file.PAGE_BYTES}")
                return db

            patch.setattr(topic_file, "_connect", connect_limited)

    def _mount(self, folder: Path, stack: AsyncExitStack) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.SIZE_BYTES}", "tmpfs", str(folder)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            return False  # a container may forbid it
        stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        return True

    def make_room(self, admin: LogAdmin, topic: str) -> None:
        """Somebody frees half of the disk."""
        if self._is_mounted:
            self._ballast.unlink()
        else:
            admin.trim(topic, admin.extent(topic).next_offset // 2)


class Workbench:
    """What the tests do with a log; everything opened here is closed at the end."""

    def __init__(self, log: LocalLog | KafkaLog, stack: AsyncExitStack) -> None:
        self.log = log
        self._stack = stack

    async def appender(self, *, max_bytes: int = ROOMY_BYTES, min_free_bytes: int = 0) -> Appender:
        appender = open_appender(replace(self.log.settings, max_bytes=max_bytes, min_free_bytes=min_free_bytes))
        await appender.start()
        self._stack.push_async_callback(appender.stop)
        return appender

    def admin(self) -> LogAdmin:
        admin = open_admin(self.log.settings)
        self._stack.callback(admin.close)
        return admin

    def app(self, start_offset: Callable[[object], int | None], name: str = "contract", **others: Any) -> App:
        return new_app(LogUse(self.log.for_reader(name), start_offset, **others), name=name)

    def writer(self, *arguments: object) -> AbstractContextManager[subprocess.Popen[str]]:
        """The script `writer`, running on this log."""
        return process("writer", pickle.dumps(self.log.settings).hex(), *arguments)

    def reader(self, journal: Path) -> AbstractContextManager[subprocess.Popen[str]]:
        """The script `reader`, running on this log."""
        settings = replace(self.log.for_reader(journal.stem), session_s=1.5)  # it is killed, and followed by another
        return process("reader", pickle.dumps(settings).hex(), journal)


class LocalBench(Workbench):
    """The same on the embedded log."""

    log: LocalLog


@pytest.fixture
async def local_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalBench]:
    async with AsyncExitStack() as stack:
        yield LocalBench(LocalLog(tmp_path / "Data Dir" / "log", stack, monkeypatch), stack)


@pytest.fixture
async def kafka_bench(kafka: Broker) -> AsyncIterator[Workbench]:
    async with AsyncExitStack() as stack:
        yield Workbench(KafkaLog(kafka), stack)


@pytest.fixture(params=["local_bench", "kafka_bench"], ids=["local", "kafka"])
def bench(request: pytest.FixtureRequest) -> Workbench:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Workbench)
    return found


@contextmanager
def process(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A script of ./processes, running; killed at the end."""
    command = [sys.executable, str(PROCESSES / f"{script}.py"), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def lines_of(child: subprocess.Popen[str], count: int) -> list[list[int]]:
    """The next `count` lines of numbers that the process prints."""
    assert child.stdout is not None
    return [[int(word) for word in child.stdout.readline().split()] for _ in range(count)]


def killed(child: subprocess.Popen[str]) -> list[list[int]]:
    """SIGKILL; the complete lines it had printed beyond those read."""
    child.kill()
    assert child.stdout is not None
    rest = child.stdout.read()
    child.wait()
    return [[int(word) for word in line.split()] for line in rest.splitlines(keepends=True) if line.endswith("\n")]


def span(extent: Extent) -> tuple[int, int]:
    """The offsets of an extent: sizes are each log's own."""
    return extent.first, extent.next_offset


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; fail after the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.005)
