"""The embedded log's appender: one commit for many, one wake-up for each commit, and a WAL that stays small."""

import asyncio
import os
import shutil
from collections import deque
from pathlib import Path

import pytest

from pipeline.base.errors import LogError, LogFull
from pipeline.log.embedded import appender as appender_module
from pipeline.log.embedded import checkpoints
from pipeline.log.embedded.admin import LocalAdmin
from pipeline.log.embedded.appender import LocalAppender
from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.limits import Limits
from pipeline.log.embedded.topic_file import TopicFile, wal_bytes
from pipeline.log.names import topic_path
from pipeline.log.topics import ALERTS, READINGS

ROOMY = Limits(1 << 30, 0)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of messages of each commit."""
    counts: list[int] = []
    append = TopicFile.append

    def counting(self: TopicFile, messages: list[tuple[int, bytes]]) -> list[int]:
        counts.append(len(messages))
        return append(self, messages)

    monkeypatch.setattr(TopicFile, "append", counting)
    return counts


async def test_appends_that_wait_together_are_committed_together(tmp_path: Path, commits: list[int]) -> None:
    appender = LocalAppender(tmp_path, ROOMY)
    await appender.start()

    await asyncio.gather(*[appender.append(READINGS, b"x") for _ in range(1000)])
    await appender.stop()

    assert sum(commits) == 1000
    assert len(commits) < 100


async def test_a_commit_is_bounded_in_bytes(
    tmp_path: Path, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "COMMIT_MAX_BYTES", 1000)
    appender = LocalAppender(tmp_path, ROOMY)
    await appender.start()

    await asyncio.gather(*[appender.append(READINGS, bytes(400)) for _ in range(90)])
    await appender.stop()

    assert max(commits) <= 3


async def test_a_topic_that_fails_does_not_fail_the_other_of_the_same_batch(tmp_path: Path) -> None:
    appender = LocalAppender(tmp_path, Limits(1 << 20, 0))
    await appender.start()

    full, taken = appender.append(READINGS, bytes(2 << 20)), appender.append(ALERTS, b"x")

    with pytest.raises(LogFull):
        await full
    assert await taken == 0
    await appender.stop()


async def test_what_a_killed_process_left_in_the_wal_is_copied_into_the_file(tmp_path: Path) -> None:
    """If an fsync of the WAL had failed, it is in the page cache, and perhaps not on the disk."""
    killed = TopicFile(open_folder(tmp_path / "log"), READINGS)
    killed.append([(0, b"x")])
    shutil.copytree(tmp_path / "log", tmp_path / "left")
    killed.close()
    left = topic_path(tmp_path / "left", READINGS)
    before = wal_bytes(left)

    appender = LocalAppender(tmp_path / "left", ROOMY)
    await appender.start()
    after = wal_bytes(left)
    await appender.stop()

    assert (before > 0, after) == (True, 0)


async def test_the_wal_is_cut_off_while_appends_never_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times, however long another checkpoint takes meanwhile, during which it grows."""
    monkeypatch.setattr(checkpoints, "WAL_MAX_BYTES", 4 << 20)
    monkeypatch.setattr(appender_module, "COMMIT_MAX_BYTES", 1 << 20)
    appender = LocalAppender(tmp_path, ROOMY)
    await appender.start()
    value = os.urandom(100_000)
    sizes, cuts = [0], 0

    appends = deque(appender.append(READINGS, value) for _ in range(50))
    while cuts < 3 and len(sizes) < 5_000:
        await appends.popleft()
        appends.append(appender.append(READINGS, value))
        sizes.append(wal_bytes(topic_path(tmp_path, READINGS)))
        cuts += sizes[-1] < sizes[-2]
    await appender.stop()

    assert cuts == 3, f"{len(sizes) * len(value)} bytes were appended"


async def test_a_log_that_cannot_be_used_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")

    with pytest.raises(LogError, match="File exists"):
        await LocalAppender(tmp_path / "log", ROOMY).start()


async def test_trimming_a_backlog_gives_the_disk_back_while_appends_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.log.embedded.topic_file.VACUUM_ABOVE_BYTES", 1 << 20)
    appender = LocalAppender(tmp_path, ROOMY)
    await appender.start()
    await asyncio.gather(*[appender.append(READINGS, bytes(100_000)) for _ in range(300)])
    admin = LocalAdmin(tmp_path)

    trimming = asyncio.create_task(asyncio.to_thread(admin.trim, READINGS, 300))
    while not trimming.done():
        await appender.append(READINGS, b"y")
    await trimming
    admin.close()
    await appender.stop()

    assert topic_path(tmp_path, READINGS).stat().st_size < 4 << 20
