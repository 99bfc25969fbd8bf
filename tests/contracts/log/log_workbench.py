"""The logs that the contract is asked of. Another implementation adds a class like `LocalLog` to `LOGS`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from pipeline.log import open_admin, open_appender, topic_file
from pipeline.log.limits import Limits
from pipeline.log.log import Appender, LogAdmin
from pipeline.log.transport import LogUse
from pipeline.log.transport_app import App, new_app

PROCESSES = Path(__file__).parent / "processes"
DEADLINE_S = 30.0
ROOMY_BYTES = 1 << 30


class LocalLog:
    """The embedded log in a folder of its own."""

    def __init__(self, folder: Path, stack: AsyncExitStack, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._stack = stack
        self._patch = patch
        self.url = f"local://{folder}"

    def on_small_disk(self) -> SmallDisk:
        """Put the log, not yet opened, on a small disk."""
        return SmallDisk(self._folder, self._stack, self._patch)

    def replace(self) -> None:
        """Put an empty log in the place of this one."""
        shutil.rmtree(self._folder)


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


LOGS = [LocalLog]


class Workbench:
    """What the tests do with a log; everything opened here is closed at the end."""

    def __init__(self, log: LocalLog, stack: AsyncExitStack) -> None:
        self.log = log
        self.url = log.url
        self._stack = stack

    async def appender(self, *, max_bytes: int = ROOMY_BYTES, min_free_bytes: int = 0) -> Appender:
        appender = open_appender(self.url, max_bytes=max_bytes, min_free_bytes=min_free_bytes)
        await appender.start()
        self._stack.push_async_callback(appender.stop)
        return appender

    def admin(self) -> LogAdmin:
        admin = open_admin(self.url)
        self._stack.callback(admin.close)
        return admin

    def app(self, start_offset: Callable[[object], int | None], name: str = "contract") -> App:
        return new_app(LogUse(self.url, start_offset, Limits(ROOMY_BYTES, 0)), name=name)


@pytest.fixture(params=LOGS)
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workbench]:
    async with AsyncExitStack() as stack:
        yield Workbench(request.param(tmp_path / "Data Dir" / "log", stack, monkeypatch), stack)


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


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; fail after the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.005)
