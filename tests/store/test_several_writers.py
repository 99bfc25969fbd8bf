"""If several processes write one Delta table, each its own partition, no row is lost or stored twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import delta_writer
import pyarrow as pa
import pytest
from delta_writer import DATE, ROWS, STREAMS, append, columns_of, merge, place, rows_of
from deltalake import DeltaTable

from store import layout
from store.catalog.schema import Column
from store.errors import Fenced, MagneticConflict, MagneticTierError, MagneticUnavailable
from store.magnetic.delta import MOST_COMMITS_READ, DeltaHandle, Raced
from store.magnetic.parquet import write_file
from store.magnetic.tier import CHECKPOINT_COMMITS, MagneticTier
from store.objects.location import S3Location
from store.record import MeasureType

A, B, C = STREAMS
Opener = Callable[[str], MagneticTier]


@pytest.fixture
def opened(url: str) -> Opener:
    return lambda partition: MagneticTier(place(url), STREAMS, partition)


@pytest.fixture
def start() -> Iterator[Callable[[str, str, int], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(url: str, partition: str, commits: int) -> subprocess.Popen[str]:
        command = [sys.executable, delta_writer.__file__, url, partition, str(commits)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(*processes: subprocess.Popen[str]) -> None:
    """Start all waiting processes together."""
    for process in processes:
        assert read_line(process) == "up"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def foreign(url: str) -> DeltaTable:
    """The table as another engine reads it."""
    location = place(url)
    if isinstance(location, S3Location):
        return DeltaTable(location.url, storage_options=location.for_deltalake())
    return DeltaTable(location)


def keys(rows: pa.Table) -> list[tuple[int, int]]:
    return list(zip(rows[layout.PARTITION].to_pylist(), rows[layout.SEQUENCE].to_pylist(), strict=True))


def expected(positions: dict[str, int]) -> list[tuple[int, int]]:
    return sorted(
        (STREAMS.index(partition), (offset << 20) | number)
        for partition, last in positions.items()
        for offset in range(last + 1)
        for number in range(ROWS)
    )


@pytest.mark.processes
def test_what_three_processes_commit_at_once_is_there_once(url: str, start: Callable[..., Any]) -> None:
    """They create the table together, add columns, and merge each other's files."""
    commits = 3 if url.startswith("s3://") else 10  # moto is slow: three writers in a row outrun each other there
    processes = [start(url, partition, commits) for partition in STREAMS]

    go(*processes)
    assert [process.wait() for process in processes] == [0, 0, 0]

    table = foreign(url)
    positions = {partition: table.transaction_version(partition) for partition in STREAMS}
    assert positions == dict.fromkeys(STREAMS, 2 * commits - 1)
    assert sorted(keys(table.to_pyarrow_table())) == expected(dict.fromkeys(STREAMS, 2 * commits - 1))
    metas = [field.metadata["streamgauge.name"] for field in table.schema().fields if field.metadata]
    assert sorted(metas) == ["Shared", "Shared", "Shared", "own-0", "own-1", "own-2"]
    for partition in STREAMS:
        assert MagneticTier(place(url), STREAMS, partition).version.positions == positions


@pytest.mark.processes
def test_a_killed_writer_leaves_a_table_that_others_write_and_that_its_successor_takes_up(
    url: str, start: Callable[..., Any]
) -> None:
    victim, other = start(url, A, 1000), start(url, B, 8)
    go(victim, other)
    acknowledged = [int(read_line(victim)) for _ in range(4)][-1]

    victim.kill()
    rest, _ = victim.communicate()
    acknowledged = max([acknowledged, *map(int, rest.split())])

    assert other.wait() == 0
    successor = MagneticTier(place(url), STREAMS, A)
    found = successor.version.positions[A]
    assert found >= acknowledged
    append(successor, A, successor.register(columns_of(A)))
    assert sorted(keys(foreign(url).to_pyarrow_table())) == expected({A: found + 2, B: 15})


def test_an_fenced_writer_writes_nothing(opened: Opener) -> None:
    """Neither rows, nor a merge, nor columns."""
    old, new = opened(A), opened(A)
    columns = old.register(columns_of(A))
    for _ in range(2):
        append(old, A, columns)
    new = opened(A)
    append(new, A, columns)
    late = Column("late", "measure", MeasureType.DOUBLE, "late")
    file = write_file(old.location, DATE, rows_of(A, 4, 5, [*columns, late]))

    with pytest.raises(Fenced, match=r"position of log/readings/0 is 5 in the table and 3 here"):
        old.commit([file], [], [*columns, late], {A: 5}, is_new_data=True)
    with pytest.raises(Fenced):
        merge(old, columns)

    after = new.refresh()
    assert after.number == new.version.number
    assert after.positions == {A: 5}
    assert file.path not in {found.path for found in after.files}


def test_a_writer_fenced_between_its_look_and_its_commit_writes_nothing(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check and commit are one step: a condition of a version is committed as exactly the next one, or not at all."""
    old = opened(A)
    columns = old.register(columns_of(A))
    append(old, A, columns)
    new = opened(A)
    commit = DeltaHandle.commit

    def fenced_first(handle: DeltaHandle, *arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(DeltaHandle, "commit", commit)
        append(new, A, columns)
        handle.commit(*arguments, **options)

    monkeypatch.setattr(DeltaHandle, "commit", fenced_first)
    with pytest.raises(Fenced):
        append(old, A, columns)

    assert old.refresh().positions == {A: 3}
    assert sum(file.rows for file in old.refresh().files) == 4 * ROWS


def test_a_writer_outrun_by_another_stream_commits_after_it(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = opened(A), opened(B)
    columns = one.register(columns_of(A))
    commit = DeltaHandle.commit

    def outrun_first(handle: DeltaHandle, *arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(DeltaHandle, "commit", commit)
        append(other, B, other.register([*columns, Column("more", "measure", MeasureType.DOUBLE, "more")]))
        handle.commit(*arguments, **options)

    monkeypatch.setattr(DeltaHandle, "commit", outrun_first)
    append(one, A, columns)

    assert one.version.positions == {A: 1, B: 1}
    assert len(one.version.files) == 2
    assert "more" in {column.name for column in one.columns()}


def test_a_file_that_another_writer_took_out_is_not_taken_out_again(opened: Opener) -> None:
    """Rows of the second merge would be stored twice."""
    one, other = opened(A), opened(B)
    columns = one.register(columns_of(A))
    for _ in range(2):
        append(one, A, columns)
    files = one.version.files
    merged = write_file(one.location, DATE, rows_of(A, 0, 3, columns))
    assert merge(other, columns)

    with pytest.raises(MagneticConflict, match="removed by another writer"):
        one.commit([merged], files, columns, {}, is_new_data=False)

    assert sum(file.rows for file in one.refresh().files) == 4 * ROWS


def test_writers_agree_on_columns_for_any_first_writer(opened: Opener) -> None:
    """A name, kind and type has one column, and a physical name has one column, ignoring case."""
    one, other = opened(A), opened(B)
    first = one.register([Column("Temp", "measure", MeasureType.DOUBLE, "temp"), _dimension("a b", "a_b")])

    second = other.register([first[0], Column("Temp", "measure", MeasureType.BIGINT, "temp"), _dimension("a-b", "a_b")])

    assert second[0] == first[0]
    assert [column.physical for column in second[1:]] == ["temp_bigint", "a_b_2"]
    one.refresh()
    assert set(one.columns()) == {*first, *second}


def test_columns_that_were_not_agreed_on_are_not_committed(opened: Opener) -> None:
    one, other = opened(A), opened(B)
    columns = one.register([Column("x", "measure", MeasureType.DOUBLE, "x")])
    append(one, A, columns)
    wrong = [Column("x", "measure", MeasureType.BIGINT, "x")]
    file = write_file(other.location, DATE, rows_of(B, 0, 0, wrong))

    with pytest.raises(MagneticConflict, match="register columns before they are used"):
        other.commit([file], [], wrong, {B: 0}, is_new_data=True)

    assert other.refresh().positions == {A: 1}


def test_many_that_register_at_once_agree(opened: Opener) -> None:
    """Including the version 0 of which writer it is."""
    tiers = [opened(partition) for partition in STREAMS]

    def register(number: int) -> list[Column]:
        return tiers[number].register([Column(f"m{i}", "measure", MeasureType.DOUBLE, f"m{i}") for i in range(3)])

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(register, range(3)))

    assert found[0] == found[1] == found[2]


def test_a_refresh_sees_what_others_committed_and_readers_only_what_they_are_given(opened: Opener) -> None:
    reader, writer = opened(A), opened(B)
    assert reader.refresh().number == -1
    append(writer, B, writer.register(columns_of(B)))

    found = reader.refresh()

    assert (found.positions, len(found.files)) == ({B: 1}, 1)
    assert reader.version.number == -1
    assert reader.refresh() is found
    reader.version = found
    reader.version = (
        MagneticTier(reader.location / "none", [], A).version if isinstance(reader.location, Path) else found
    )
    assert reader.version is found


def test_a_commit_does_not_bring_a_deleted_table_back(opened: Opener) -> None:
    """Another worker may delete it at any moment."""
    tier, other = opened(A), opened(B)
    columns = tier.register(columns_of(A))
    append(tier, A, columns)
    other.refresh()
    other.data.delete_table()

    with pytest.raises(MagneticTierError) as caught:
        append(tier, A, columns)

    assert not isinstance(caught.value, (MagneticConflict, MagneticUnavailable, Fenced))
    assert opened(A).version.number == -1


def test_a_stream_that_was_not_known_before_is_asked_about(url: str) -> None:
    partitions = [A]
    reader = MagneticTier(place(url), partitions, A)
    writer = MagneticTier(place(url), [B], B)
    append(writer, B, writer.register(columns_of(B)))
    assert reader.refresh().positions == {}

    partitions.append(B)

    assert reader.refresh().positions == {B: 1}


@pytest.mark.parametrize("answer", [Raced("outrun"), MagneticUnavailable("no answer")])
@pytest.mark.parametrize("is_made", [True, False])
def test_a_commit_without_an_answer_is_neither_lost_nor_made_twice(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, answer: Exception, is_made: bool
) -> None:
    """The client repeats a request whose response was lost, and finds its own commit."""
    tier = opened(A)
    columns = tier.register(columns_of(A))
    append(tier, A, columns)
    commit = DeltaHandle.commit

    def unanswered(handle: DeltaHandle, *arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(DeltaHandle, "commit", commit)
        if is_made:
            commit(handle, *arguments, **options)
        raise answer

    monkeypatch.setattr(DeltaHandle, "commit", unanswered)
    if isinstance(answer, Raced):
        append(tier, A, columns)
    else:
        with pytest.raises(MagneticUnavailable):
            append(tier, A, columns)
        assert tier.is_unsure
        tier.version = tier.refresh()
        assert tier.version.positions == {A: 3 if is_made else 1}
        append(tier, A, columns)

    last = tier.version.positions[A]
    assert last == (5 if is_made and not isinstance(answer, Raced) else 3)
    assert sum(file.rows for file in tier.refresh().files) == (last + 1) * ROWS
    assert not tier.is_unsure


def test_rows_that_an_unanswered_commit_has_already_are_refused(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader's refresh may find it between the cut and the commit of a flush."""
    tier = opened(A)
    columns = tier.register(columns_of(A))
    commit = DeltaHandle.commit

    def unanswered(handle: DeltaHandle, *arguments: Any, **options: Any) -> None:
        commit(handle, *arguments, **options)
        raise MagneticUnavailable("no answer")

    monkeypatch.setattr(DeltaHandle, "commit", unanswered)
    with pytest.raises(MagneticUnavailable):
        append(tier, A, columns)
    monkeypatch.setattr(DeltaHandle, "commit", commit)
    again = write_file(tier.location, DATE, rows_of(A, 0, 2, columns))

    with pytest.raises(MagneticConflict, match="which seemed to have failed"):
        tier.commit([again], [], columns, {A: 2}, is_new_data=True, after={})

    assert sum(file.rows for file in tier.refresh().files) == 2 * ROWS


def test_readers_have_few_commits_to_replay_for_any_number_of_writers(tmp_path: Path) -> None:
    tiers = [MagneticTier(tmp_path / "t", STREAMS, partition) for partition in (A, B)]
    columns = [tier.register(columns_of(A)) for tier in tiers].pop()
    for number in range(CHECKPOINT_COMMITS + 2):
        partition = (A, B)[number % 2]
        tier = tiers[number % 2]
        offset = tier.version.positions.get(partition, -1) + 1
        tier.version = tier.commit([], [], columns, {partition: offset}, is_new_data=True)

    checkpoints = list((tmp_path / "t" / layout.DELTA_LOG).glob(layout.CHECKPOINT_GLOB))
    assert len(checkpoints) == 1
    for number in range(5):  # as if the commits were deleted: a checkpoint has their content
        (tmp_path / "t" / layout.DELTA_LOG / f"{number:020d}.json").unlink()
    tiers[0].version = tiers[0].commit([], [], columns, {A: 26}, is_new_data=True)
    for number in range(MOST_COMMITS_READ):
        tiers[0].version = tiers[0].commit([], [], columns, {A: 27 + number}, is_new_data=True)
    assert tiers[1].refresh().positions == {A: 26 + MOST_COMMITS_READ, B: 25}
    assert MagneticTier(tmp_path / "t", STREAMS, C).version.positions == tiers[1].refresh().positions


def _dimension(name: str, physical: str) -> Column:
    return Column(name, "dimension", MeasureType.VARCHAR, physical)
