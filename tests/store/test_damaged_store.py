"""A store of which files are damaged while nobody uses it: it opens, says so, and tells nothing that is false."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import layout, upkeep
from store.magnetic import checked_files
from store.reading.averages import zone_averages
from store.testing import Row, batch_of
from tests.damage.store import FRAMES, PARQUET, T0, TABLE, TABLE_FOLDER, Stored, feed, frame, opened, rows_of, truth
from tests.support.damages import observed
from tests.support.examples import some
from tests.support.lone_store import PARTITION
from tests.support.tables import evict_sealed


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a store leaves that was killed: commits, a checkpoint of the Delta log, pending rows, saved state."""
    return Stored().make(tmp_path_factory.mktemp("store"))["killed"]


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MOST_FLUSHED_ALONE", 150)


@pytest.fixture
def reports() -> Iterator[list[tuple[str, str]]]:
    with observed() as found:
        yield found


def test_a_flipped_bit_in_a_parquet_file_is_repaired_when_it_is_read(
    left: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(left, folder)
    path = min(folder.glob(PARQUET))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 16
    path.write_bytes(data)
    store = opened(folder)

    with caplog.at_level(logging.WARNING):
        rows = rows_of(store)
    store.close()

    assert len(rows) == len(truth())
    assert "one bit was flipped, and is repaired" in caplog.text
    assert checked_files.fault_of(path, len(data)) is None


def test_the_maintenance_finds_a_damaged_file_that_nobody_reads(left: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(left, folder)
    store = opened(folder)
    path = min(folder.glob(PARQUET))
    data = bytearray(path.read_bytes())
    data[9:12] = b"???"
    path.write_bytes(data)

    for _ in range(FRAMES + 2):
        store.maintain()
    store.close()

    assert not path.exists()
    assert (path.parents[1] / layout.SET_ASIDE / path.name).read_bytes() == data


@pytest.mark.parametrize("extra", ["", "evicted", "compacted", "superseded"])
def test_rows_that_are_still_in_ram_are_written_again(
    tmp_path: Path, reports: list[tuple[str, str]], extra: str
) -> None:
    """Those that were evicted are lost, and the line says how many. A key that files have twice is there once."""
    store = opened(tmp_path)
    feed(store, 0)
    if extra == "superseded":
        again = [Row(row.dimensions, row.time_ns, (("v", 99.0),)) for row in frame(1)[TABLE]]
        store.apply(batch_of(store.registry.of(TABLE), PARTITION, [FRAMES] * len(again), again))
        store.advance(PARTITION, FRAMES)
    store.flush()
    used = store.to_read(TABLE)
    if extra == "compacted":
        used.rewrite(used.files()[:4])
    if extra == "evicted":
        used.close_chunk(0)
        used.seal()
        evict_sealed([used])
        more = [Row((("s", "x"),), T0 + 10_000_000, (("v", 1.0),))]
        store.apply(batch_of(store.registry.of(TABLE), PARTITION, [FRAMES] * len(more), more))
    before = sorted(rows_of(store))
    path = tmp_path / TABLE_FOLDER / min(used.files(), key=lambda file: file.from_ns).path
    tear(path)
    checked_files.CHECKED.forget(path)  # it was sound when it was read above
    used._core.magnetic.data.look(used.files())

    store.maintain()

    after = sorted(rows_of(store))
    assert (set(before) - set(after) != set()) == (extra == "evicted")
    assert set(after) <= set(before)
    assert len(after) == len(set(after))
    assert reports == [("parquet", "lost" if extra == "evicted" else "made_again")]
    store.close()
    again_store = opened(tmp_path)
    feed(again_store, again_store.replay_from(PARTITION) or 0)
    assert {row[:2] for row in rows_of(again_store)} >= {row[:2] for row in after if row[1] < T0 + 10_000_000}
    again_store.close()


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("is_merged", "number", "log_first"),
    some([*itertools.product([False, True], [4, 5, 7], [0, 5, 6, FRAMES])]),
    ids=str,
)
def test_rows_that_the_log_still_has_are_read_again(
    tmp_path: Path, reports: list[tuple[str, str]], log_first: int, number: int, is_merged: bool
) -> None:
    """The commits from the damaged file on are taken back, if the log reaches back to the first of them."""
    store = opened(tmp_path)
    feed(store, 0)
    store.flush()
    store._upkeep.save_positions()
    (used,) = (table for table in store.all_tables() if table.id == TABLE)
    path = tmp_path / TABLE_FOLDER / sorted(used.files(), key=lambda file: file.from_ns)[number].path
    if is_merged:
        used.rewrite([file for file in used.files() if path.name in file.path][:1])
        (path,) = set((tmp_path / TABLE_FOLDER).glob("date=*/*.parquet")) & {
            tmp_path / TABLE_FOLDER / file.path for file in used.files()[-1:]
        }
    expected = sorted(rows_of(store))
    store.close()
    checked_files.CHECKED.forget(path)
    tear(path)

    after = opened(tmp_path, log_first)
    replay_from = after.replay_from(PARTITION) or 0
    feed(after, replay_from)
    rows = sorted(rows_of(after))
    after.close()

    is_there = log_first <= (FRAMES if is_merged else number)
    assert (rows == expected) == is_there
    assert reports == [("parquet", "made_again" if is_there else "lost")]
    assert replay_from == (FRAMES if is_merged or not is_there else number)
    again = opened(tmp_path, log_first)
    assert again.replay_from(PARTITION) >= replay_from
    feed(again, again.replay_from(PARTITION) or 0)
    assert sorted(rows_of(again)) == rows
    again.close()


def test_averages_go_on_without_a_damaged_file(tmp_path: Path, reports: list[tuple[str, str]]) -> None:
    """The query that finds it has it removed, and is answered from the rest."""
    store = opened(tmp_path)
    feed(store, 0)
    store.flush()
    files = sorted(store.to_read(TABLE).files(), key=lambda file: file.from_ns)
    store.close()
    store = opened(tmp_path)
    damaged = tmp_path / TABLE_FOLDER / files[3].path
    checked_files.CHECKED.forget(damaged)
    tear(damaged)
    index = store.registry.of(TABLE)

    with store.snapshot("farm") as snapshot:
        found = zone_averages(snapshot, index, {"all": range(len(index))}, ["v"], from_ns=T0, to_ns=T0 + 10**15)

    (average,) = found["all", "v"]
    assert average.count == sum(file.rows for file in files) - files[3].rows
    assert reports == [("parquet", "lost")]
    store.close()
