"""Rows of before a start are loaded back into RAM, newest first, and no answer changes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.catalog.catalog import TableSettings
from store.load_back import RESTS, LoadBack
from store.magnetic.parquet import DataFile
from store.memory.room import MemoryRoom
from store.names import TableId
from store.table.loading import MINUTE_NS, newest_slice
from store.testing import Row, batch_of
from tests.support.examples import examples
from tests.support.lone_store import PARTITION, LoneStore, open_store
from tests.support.oracle_rows import plain, stored_rows
from tests.support.random_life import TABLE, Life
from tests.support.tables import inside

T0 = 1_795_000_020_000_000_000  # a whole minute
SETTINGS = TableSettings(timedelta(days=9), from_config=True)
OTHER = TableId("a", "d", "t")


@given(seed=st.integers(0, 2**32))
@examples(8)
def test_rows_stay_the_same_while_they_are_loaded_back(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Between starts, flushes, merges, evictions, DELETEs of a table, late rows and upserts."""
    folder, rng = tmp_path_factory.mktemp("life"), random.Random(seed)
    life = Life(folder, rng, rng.choice((None, "{zone}")))

    def look() -> None:
        with life.store.snapshot(TABLE.account) as snapshot:
            there = life.store.opened(TABLE) is not None
            found = stored_rows(snapshot, TABLE, None, None) if there else []
        assert sorted(found) == sorted(plain(life.rows()))

    with closing(life.store):
        for _ in range(3):
            for _ in range(6):
                life.go_on()
            life.restart()
            for _ in range(3):
                life.load_back()
                life.go_on_beside()
                look()
        life.store.close()
    shutil.rmtree(folder)


def row(minute: int, sensor: int = 0, value: float = 1.0) -> Row:
    return Row((("sensor", str(sensor)),), T0 + minute * MINUTE_NS, (("v", value),))


@pytest.fixture
def started(tmp_path: Path) -> Iterator[LoneStore]:
    """A store that was started again, with a row of each of ten minutes in files of their own."""
    first = opened(tmp_path)
    for minute in range(10):
        write(first, minute, row(minute))
        first.flush()
    first.close()
    store = opened(tmp_path)
    yield store
    store.close()


def opened(folder: Path) -> LoneStore:
    return open_store(folder, templates={("d", "t"): SETTINGS}, clock_ns=lambda: T0 + 3600 * 10**9, monotonic_ns=int)


def write(store: LoneStore, offset: int, *rows: Row) -> None:
    store.apply(batch_of(store.registry.of(OTHER), PARTITION, [offset] * len(rows), rows))
    store.advance(PARTITION, offset)


def minutes(store: LoneStore) -> list[int]:
    with store.snapshot("a") as snapshot:
        found = snapshot.execute(f"SELECT time_ns FROM {snapshot.source(OTHER)} ORDER BY 1")["time_ns"].to_pylist()
    return [(time_ns - T0) // MINUTE_NS for time_ns in found]


def test_what_is_loaded_back_is_read_from_ram_alone(started: LoneStore, tmp_path: Path) -> None:
    table = started.to_read(OTHER)
    assert [table.load_back(3, 0) for _ in range(5)] == [3, 3, 3, 1, 0]
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()

    assert minutes(started) == list(range(10))
    assert table.to_load_before_ns is None


def test_the_newest_rows_are_loaded_first_and_late_ones_counted_once(started: LoneStore) -> None:
    table = started.to_read(OTHER)
    write(started, 10, row(8, value=2.0), row(2, sensor=1))  # one of them replaces a row
    started.flush()

    assert table.load_back(3, 0) == 2
    assert table.to_load_before_ns == T0 + 8 * MINUTE_NS
    assert minutes(started) == [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]
    table.load_back(100, 0)
    assert minutes(started) == [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]
    assert inside(table).memory.whole_from_ns == T0


def test_a_key_that_was_replaced_again_and_again_has_one_row(started: LoneStore) -> None:
    """Files are cleaned of the earlier rows since the start, RAM is not: it is not read for that time until then."""
    table = started.to_read(OTHER)
    for number in range(3):
        write(started, 10 + number, row(5, value=10.0 + number))
        started.flush()
        while files := table.files_to_clean():
            table.rewrite(files)

    table.load_back(100, 0)

    assert minutes(started) == list(range(10))


def test_an_eviction_ends_it(started: LoneStore) -> None:
    table = started.to_read(OTHER)
    table.load_back(3, 0)

    assert table.evict_oldest()
    assert table.to_load_before_ns is None
    assert table.load_back(3, 0) == 0
    assert minutes(started) == list(range(10))


def test_rows_of_a_former_log_are_left_where_they_are(started: LoneStore, tmp_path: Path) -> None:
    """Their offsets say nothing about what came since the start."""
    write(started, 10, row(20))
    started.flush()
    started.close()
    other = open_store(
        tmp_path, partition="4567/readings/0", templates={("d", "t"): SETTINGS}, clock_ns=lambda: T0 + 3600 * 10**9
    )
    with closing(other):
        table = other.to_read(OTHER)

        assert table.load_back(5, 0) == 0
        assert table.to_load_before_ns is None
        assert minutes(other) == [*range(10), 20]


def test_the_maintenance_loads_when_the_log_is_replayed(started: LoneStore) -> None:
    load_back = started.load_back
    load_back.may_run = lambda: False
    started.maintain()
    assert load_back.rows == 0
    load_back.may_run = lambda: True
    started.maintain()
    started.maintain()

    assert load_back.rows == 10
    assert load_back.is_over


class Pieces:
    """Tables, each with minutes to load."""

    def __init__(self, name: str, newest: int) -> None:
        self.id = TableId("a", "d", name)
        self.left = newest
        self.loaded: list[int] = []

    @property
    def to_load_before_ns(self) -> int | None:
        return self.left * MINUTE_NS if self.left else None

    def load_back(self, most_rows: int, created_ns: int) -> int:
        self.left -= 1
        self.loaded.append(most_rows)
        return most_rows


def test_the_newest_of_all_tables_comes_first_and_it_rests_between() -> None:
    load_back = LoadBack(MemoryRoom(lambda: 0, 10_000), is_possible=True)
    one, two = Pieces("one", 3), Pieces("two", 2)
    order = []
    now_ns = 0
    while (table := load_back.next_of([one, two], now_ns)) is not None:
        order.append(table.id.table)
        load_back.load(table, 0, now_ns)
        load_back.rest(now_ns, 5)
        assert load_back.next_of([one, two], now_ns + RESTS * 5 - 1) is None
        now_ns += RESTS * 5

    assert order == ["one", "two", "one", "two", "one"]
    assert load_back.is_over
    assert one.loaded == [10, 10, 10], "as many rows as the limit allows for"


@pytest.mark.parametrize(("used", "is_over"), [(74, False), (75, False), (76, True)])
def test_it_leaves_room_for_what_comes(used: int, is_over: bool) -> None:
    load_back = LoadBack(MemoryRoom(lambda: used, 100), is_possible=True)

    load_back.next_of([Pieces("one", 1)], 0)

    assert load_back.is_over == is_over


def file(from_minute: int, to_minute: int, rows: int) -> DataFile:
    return DataFile("", 0, rows, T0 + from_minute * MINUTE_NS, T0 + to_minute * MINUTE_NS - 1)


@pytest.mark.parametrize(
    ("files", "most_rows", "begins"),
    [
        ([file(0, 10, 10), file(10, 20, 10)], 10, 10),  # a whole file
        ([file(0, 10, 10), file(10, 20, 10)], 20, 0),  # both
        ([file(0, 10, 10), file(10, 20, 10)], 19, 10),  # one, as both would be too much
        ([file(0, 20, 20)], 5, 14),  # a part, from a whole minute on
        ([file(0, 20, 20), file(19, 20, 4)], 4, 19),  # what overlaps counts in its part
    ],
)
def test_a_slice_has_about_as_many_rows_as_wanted(files: list[DataFile], most_rows: int, begins: int) -> None:
    found = newest_slice(files, T0 + 20 * MINUTE_NS, most_rows)

    assert found is not None
    assert (found.from_ns - T0) // MINUTE_NS == begins
    assert newest_slice(files, T0, most_rows) is None
