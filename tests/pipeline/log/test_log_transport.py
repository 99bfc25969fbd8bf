"""The transport for Faust: positions of our own, and nothing of Faust that must not happen in our process."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from faust.types import TP

from pipeline.base import metrics
from pipeline.base.errors import LogError
from pipeline.log.embedded.admin import LocalAdmin
from pipeline.log.embedded.appender import LocalAppender
from pipeline.log.embedded.end_mark import EndMark
from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.limits import Limits
from pipeline.log.faust import consumer
from pipeline.log.faust.app import App, new_app, running
from pipeline.log.faust.transport import LogUse
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS

LIMITS = Limits(1 << 30, 0)


@pytest.fixture
async def appender(tmp_path: Path) -> AsyncIterator[LocalAppender]:
    appender = LocalAppender(tmp_path / "LOG", LIMITS)
    await appender.start()
    for number in range(10):
        await appender.append(READINGS, b"%d" % number)
    yield appender
    await appender.stop()


class Watched:
    """An application that notes the offsets it gets, up to 9."""

    def __init__(self, tmp_path: Path, start: int | None) -> None:
        self.app: App = new_app(LogUse(LogSettings(f"local://{tmp_path}/LOG"), lambda _: start))
        self.offsets: list[int] = []
        self.done = asyncio.Event()

        @self.app.agent(self.app.topic(READINGS), concurrency=1)
        async def note(stream: Any) -> None:
            async for event in stream.events():
                self.offsets.append(event.message.offset)
                if event.message.offset == 9:
                    self.done.set()

    async def run(self) -> None:
        async with running(self.app), asyncio.timeout(60):
            await self.done.wait()


def trim(tmp_path: Path, below: int) -> None:
    admin = LocalAdmin(tmp_path / "LOG")
    admin.trim(READINGS, below)
    admin.close()


async def test_a_position_whose_messages_were_removed_is_reported_as_loss(
    appender: LocalAppender, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trim(tmp_path, 6)
    lost = metrics.log_messages_lost.labels(READINGS)
    before = lost._value.get()
    watched = Watched(tmp_path, 2)

    with caplog.at_level(logging.ERROR):
        await watched.run()

    assert watched.offsets == [6, 7, 8, 9]
    assert lost._value.get() - before == 4
    assert "DATA LOSS: 4 messages of readings/0 were removed before they were processed: offsets 2 to 5" in caplog.text


async def test_a_consumer_that_never_read_begins_at_what_is_kept_and_misses_nothing(
    appender: LocalAppender, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trim(tmp_path, 6)
    watched = Watched(tmp_path, None)

    await watched.run()

    assert watched.offsets == [6, 7, 8, 9]
    assert "DATA LOSS" not in caplog.text


async def test_a_position_beyond_the_end_of_the_log_ends_the_application(
    appender: LocalAppender, tmp_path: Path
) -> None:
    watched = Watched(tmp_path, 11)

    async def run() -> None:
        async with running(watched.app), asyncio.timeout(60):
            await watched.app.wait_until_stopped()

    with pytest.raises(LogError, match=r"readings/0 ends at offset 10, but offset 11 is asked for.*older state"):
        await run()

    assert watched.offsets == []


async def test_a_log_that_fails_while_it_is_read_ends_the_application(appender: LocalAppender, tmp_path: Path) -> None:
    watched = Watched(tmp_path, 0)

    async def run() -> None:
        async with running(watched.app), asyncio.timeout(60):
            await watched.done.wait()
            watched.app.consumer._file(READINGS).close()
            await watched.app.wait_until_stopped()

    with pytest.raises(LogError, match="closed database"):
        await run()


async def test_the_application_listens_nowhere_and_leaves_no_files(
    appender: LocalAppender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    watched = Watched(tmp_path, 0)
    process = psutil.Process()
    before = {connection.laddr for connection in process.net_connections() if connection.status == psutil.CONN_LISTEN}

    async with running(watched.app), asyncio.timeout(60):
        await watched.done.wait()
        now = {connection.laddr for connection in process.net_connections() if connection.status == psutil.CONN_LISTEN}

    assert now <= before, "what an earlier test left may end"
    assert list((tmp_path / "cwd").iterdir()) == []


async def test_stopping_leaves_no_task_and_no_thread(appender: LocalAppender, tmp_path: Path) -> None:
    def threads_of_the_log() -> list[str]:
        return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("log-"))

    tasks, threads = asyncio.all_tasks(), threads_of_the_log()

    await Watched(tmp_path, 0).run()

    assert asyncio.all_tasks() == tasks
    assert threads_of_the_log() == threads == ["log-appender", "log-checkpoints"], "those of the fixture"


async def test_offsets_committed_by_faust_decide_nothing(appender: LocalAppender, tmp_path: Path) -> None:
    first = Watched(tmp_path, 0)
    async with running(first.app), asyncio.timeout(60):
        await first.done.wait()
        await first.app.consumer.commit()
    again = Watched(tmp_path, 4)

    await again.run()

    assert again.offsets == [4, 5, 6, 7, 8, 9]


async def test_every_partition_is_read_in_its_order_and_a_key_has_one_partition(tmp_path: Path) -> None:
    open_folder(tmp_path / "log", partitions=3)
    app = new_app(LogUse(LogSettings(f"local://{tmp_path}/log", 1 << 30, 0), lambda _: None))
    topic = app.topic(READINGS)
    done = asyncio.Event()
    seen: dict[int, list[bytes]] = {0: [], 1: [], 2: []}

    @app.agent(topic, concurrency=1)
    async def note(stream: Any) -> None:
        async for event in stream.events():
            seen[event.message.partition].append(event.value)
            if sum(map(len, seen.values())) == 60:
                done.set()

    async with running(app), asyncio.timeout(60):
        for number in range(60):
            key = b"zone %d" % (number % 10)
            await (await topic.send(key=key, value=b"%s %d" % (key, number)))
        await done.wait()

    assert all(seen.values())
    keys = {partition: {value.rpartition(b" ")[0] for value in values} for partition, values in seen.items()}
    assert sum(map(len, keys.values())) == 10
    for values in seen.values():
        numbers = [int(value.rpartition(b" ")[2]) for value in values]
        assert numbers == sorted(numbers)


async def test_topics_cannot_change_while_the_worker_runs(appender: LocalAppender, tmp_path: Path) -> None:
    watched = Watched(tmp_path, 0)

    async with running(watched.app), asyncio.timeout(60):
        await watched.app.consumer.subscribe([READINGS])
        with pytest.raises(LogError, match="topics cannot change"):
            await watched.app.consumer.subscribe([READINGS, "more"])
    assert watched.app.consumer.assignment() == {TP(READINGS, 0)}


async def test_headers_are_refused_because_the_log_keeps_none(appender: LocalAppender, tmp_path: Path) -> None:
    from faust.exceptions import ProducerSendError

    watched = Watched(tmp_path, 0)
    async with running(watched.app):
        with pytest.raises(ProducerSendError, match="no headers"):
            await watched.app.topic(READINGS).send(value=b"x", headers={"a": b"b"})


async def _is_read_when_appended(watched: Watched, appender: LocalAppender) -> None:
    async with running(watched.app), asyncio.timeout(60):
        for number in range(8):
            await appender.append(READINGS, b"%d" % number)
            while len(watched.offsets) <= number:  # noqa: ASYNC110  # the agent notes them
                await asyncio.sleep(0.001)


async def test_an_append_by_others_is_told_without_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "LOOK_EVERY_S", 3600.0)
    appender = LocalAppender(tmp_path / "LOG", LIMITS)
    await appender.start()

    await _is_read_when_appended(Watched(tmp_path, 0), appender)

    await appender.stop()


@pytest.mark.parametrize("lost", ["inotify", "end mark"])
async def test_an_append_that_nothing_tells_is_seen_by_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """`end mark`: the process that appended ended before it wrote the mark."""
    if lost == "inotify":
        monkeypatch.setattr(consumer, "watch", lambda _: None)
    else:
        monkeypatch.setattr(EndMark, "set", lambda *_: None)
    appender = LocalAppender(tmp_path / "LOG", LIMITS)
    await appender.start()

    await _is_read_when_appended(Watched(tmp_path, 0), appender)

    await appender.stop()
