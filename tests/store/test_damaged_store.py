"""A store of which files are damaged while nobody uses it: it opens, says so, and tells nothing that is false."""

from __future__ import annotations

import logging
import random
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from store import layout, upkeep
from store.catalog.catalog import TableSettings
from store.errors import DamagedRows
from store.magnetic import checked_files, tier
from store.objects import damage
from store.record import TableId
from store.testing import Row, batch_of
from tests.support.damages import REGIONS, Damage, damages_of, seeds
from tests.support.lone_store import MAGNETIC, PARTITION, LoneStore, open_store
from tests.support.tables import evict_sealed, save_pending_rows

T0 = 1_795_000_000_000_000_000
TABLE, SMALL = TableId("farm", "d", "t"), TableId("farm", "d", "small")
TEN_YEARS = timedelta(days=3650)
TEMPLATES = {("d", name): TableSettings(TEN_YEARS, TEN_YEARS, from_config=True) for name in ("t", "small")}
FRAMES = 9
STATE = f"{MAGNETIC}/{layout.OBJECTS}"
OWNED = f"{STATE}/state/{PARTITION}"
TABLE_FOLDER = f"{MAGNETIC}/farm/d/t"
# Of each kind of file the pattern of its paths; the last that is found is damaged
FILES = (
    f"{STATE}/format",
    f"{STATE}/catalog/*.json",
    f"{OWNED}/floor/*",
    f"{OWNED}/checkpoint/*",
    f"{OWNED}/series/farm/d/t/*",
    f"{TABLE_FOLDER}/{layout.DELTA_LOG}/*.json",
    f"{TABLE_FOLDER}/{layout.DELTA_LOG}/*0.json",
    f"{TABLE_FOLDER}/{layout.DELTA_LOG}/*.checkpoint.parquet",
    f"{TABLE_FOLDER}/{layout.DELTA_LOG}/_last_checkpoint",
    f"{TABLE_FOLDER}/{layout.COPIES}/*.json",
    f"{TABLE_FOLDER}/{layout.COPIES}/*.checkpoint.parquet",
    f"{TABLE_FOLDER}/date=*/*.parquet",
)
Truth = dict[tuple[TableId, int], float]


def frame(offset: int) -> dict[TableId, list[Row]]:
    rows = [Row((("s", str(i)),), T0 + offset * 1_000 + i, (("v", offset + i / 10),)) for i in range(10)]
    return {TABLE: rows} if offset < FRAMES - 1 else {TABLE: rows[:5], SMALL: rows[5:]}


def truth() -> Truth:
    return {
        (table, row.time_ns): float(row.values[0][1])
        for offset in range(FRAMES)
        for table, rows in frame(offset).items()
        for row in rows
    }


def opened(folder: Path, log_first: int | None = None) -> LoneStore:
    first = {} if log_first is None else {PARTITION: log_first}
    return open_store(folder, templates=TEMPLATES, clock_ns=time.time_ns, log_first=lambda: first)


def feed(store: LoneStore, first: int) -> None:
    for offset in range(first, FRAMES):
        for table, rows in frame(offset).items():
            store.apply(batch_of(store.registry.of(table), PARTITION, [offset] * len(rows), rows))
        store.advance(PARTITION, offset)
        if offset < FRAMES - 1:
            store.flush()


def rows_of(store: LoneStore) -> list[tuple[TableId, int, float]]:
    with store.snapshot("farm") as snapshot:
        return [
            (table, row["time_ns"], row["v"])
            for table in (TABLE, SMALL)
            if store.catalog.find(table) is not None
            for row in snapshot.execute(f"SELECT time_ns, v FROM {snapshot.source(table)}").to_pylist()
        ]


def read(store: LoneStore) -> list[tuple[TableId, int, float]]:
    """All rows; while a damaged file is found, the maintenance removes it."""
    for _ in range(FRAMES + 2):
        try:
            return rows_of(store)
        except DamagedRows:
            store.maintain()
    raise AssertionError("damaged files are not removed")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a store leaves that was killed: commits, a checkpoint of the Delta log, pending rows, saved state."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tier, "CHECKPOINT_COMMITS", 5)
        store = opened(folder)
        feed(store, 0)
        save_pending_rows(store)
        store._upkeep.save_positions()
        store.close()
    return folder


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MOST_FLUSHED_ALONE", 150)


@pytest.fixture
def reports() -> Iterator[list[tuple[str, str]]]:
    found: list[tuple[str, str]] = []

    def note(kind: str, outcome: str) -> None:
        found.append((kind, outcome))

    damage.observe(note)
    yield found
    damage._observers.remove(note)


@damages_of(FILES)
def test_every_damage_of_every_file(
    left: Path, tmp_path: Path, reports: list[tuple[str, str]], file: str, change: Damage
) -> None:
    rng = random.Random(f"{file}{change.__name__}")
    regions = [rng.choice(REGIONS)] if len(seeds()) == 1 else REGIONS
    for number, region in enumerate(region for _ in seeds() for region in regions):
        folder = tmp_path / str(number)
        shutil.copytree(left, folder)
        found = sorted(folder.glob(file))
        assert found, file
        reports.clear()
        change(found[-1], region, rng, found[0] if len(found) > 1 else min(folder.glob(FILES[1])))
        what = (file, change.__name__, region, number)

        store = opened(folder)
        feed(store, store.replay_from(PARTITION) or 0)
        rows = read(store)
        store.close()

        assert len(rows) == len({row[:2] for row in rows}), ("twice", what)
        assert [row for row in rows if truth().get(row[:2]) != row[2]] == [], ("wrong", what)
        if len(rows) < len(truth()):
            assert any(outcome == "lost" for _, outcome in reports), ("lost without a word", what)
        again = opened(folder)
        feed(again, again.replay_from(PARTITION) or 0)
        assert len(read(again)) == len(rows), ("differs at the next start", what)
        again.close()
        shutil.rmtree(folder)


def test_a_flipped_bit_in_a_parquet_file_is_repaired_when_it_is_read(
    left: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(left, folder)
    path = min(folder.glob(FILES[-1]))
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
    path = min(folder.glob(FILES[-1]))
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


@pytest.mark.parametrize("log_first", [0, 5, 6, FRAMES])
@pytest.mark.parametrize("number", [4, 5, 7], ids=lambda number: f"file-{number}")
@pytest.mark.parametrize("is_merged", [False, True])
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
