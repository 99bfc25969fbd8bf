"""One topic's SQLite file: what a full disk leaves, what reads and removal cost, and how large files become."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.base.errors import LogError, LogFull
from pipeline.log.embedded import topic_file
from pipeline.log.embedded.folder import LogFolder, open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.log import Extent
from pipeline.log.topics import READINGS

VALUE = os.urandom(60_000)


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    return open_folder(tmp_path, partitions=4)


@pytest.fixture
def file(folder: LogFolder) -> Iterator[TopicFile]:
    file = TopicFile(folder, READINGS)
    yield file
    file.close()


def trim(file: TopicFile, below: int, partition: int = 0) -> int:
    """The number of steps it took."""
    steps = 1
    while file.trim_step(partition, below):
        steps += 1
    return steps


def test_partitions_are_sequences_of_their_own(file: TopicFile) -> None:
    assert file.append([(0, b"a"), (3, b"b"), (0, b"c"), (3, b"d")]) == [0, 0, 1, 1]
    trim(file, 1, partition=3)

    assert file.read(0, 0, 10, 100) == [(0, b"a"), (1, b"c")]
    assert file.read(3, 0, 10, 100) == [(1, b"d")]
    assert [file.extent(partition) for partition in (0, 1, 3)] == [Extent(0, 2, 2), Extent(0, 0, 0), Extent(1, 2, 1)]


@pytest.mark.parametrize("partition", [-1, 4])
def test_a_partition_that_is_not_there_is_refused_and_nothing_of_its_batch_appended(
    file: TopicFile, partition: int
) -> None:
    with pytest.raises(LogError, match=f"partitions 0 to 3, not {partition}"):
        file.append([(0, b"a"), (partition, b"b")])

    assert file.append([(0, b"c")]) == [0]


def test_sqlite_full_is_log_full_and_leaves_nothing_of_the_batch(file: TopicFile) -> None:
    file.append([(0, VALUE)])
    pages = file._db.execute("PRAGMA page_count").fetchone()[0]
    file._db.execute(f"PRAGMA max_page_count={pages + 8}")

    with pytest.raises(LogFull, match=r"readings\.sqlite: the disk is full"):
        file.append([(0, VALUE)] * 10)

    assert file.extent(0) == Extent(0, 1, len(VALUE))
    assert file.append([(0, VALUE)]) == [1]


@pytest.mark.parametrize(("max_bytes", "count"), [(59_999, 1), (60_000, 1), (60_001, 2), (10**9, 5)])
def test_a_read_ends_where_its_bytes_are_passed(file: TopicFile, max_bytes: int, count: int) -> None:
    file.append([(0, VALUE)] * 5)

    assert len(file.read(0, 0, 100, max_bytes)) == count


def test_removal_goes_in_steps_bounded_by_messages_and_by_bytes(file: TopicFile) -> None:
    file.append([(0, b"x")] * 200)
    file.append([(0, bytes(topic_file.TRIM_STEP_BYTES // 2))] * 4)

    assert trim(file, 192) == 3
    assert file.extent(0).first == 192
    trim(file, 200)
    assert trim(file, 204) == 2


def test_freed_pages_are_used_again(file: TopicFile) -> None:
    file.append([(0, VALUE)] * 100)
    held_bytes = file.held_bytes()
    for _ in range(5):
        trim(file, file.extent(0).next_offset)
        file.append([(0, VALUE)] * 100)

    assert 6_000_000 < file.held_bytes() <= held_bytes * 1.05
    assert file.held_bytes() + file.free_bytes() <= held_bytes * 1.1


def test_a_file_left_mostly_empty_gives_its_pages_back(file: TopicFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_file, "VACUUM_ABOVE_BYTES", 4 << 20)
    file.append([(0, VALUE)] * 200)
    file.append([(0, b"kept")])
    trim(file, 200)
    while file.give_back():
        pass
    file.checkpoint("TRUNCATE")

    assert file.path.stat().st_size < 6 << 20
    assert file.read(0, 0, 10, 100) == [(200, b"kept")]


def test_the_version_changes_when_another_connection_has_appended(folder: LogFolder, file: TopicFile) -> None:
    other = TopicFile(folder, READINGS)
    before = file.version()

    assert file.version() == before
    other.append([(0, b"x")])
    assert file.version() != before
    other.close()
