"""During records, upkeep, queries and deletions at the same time nothing raises, and the rows are the oracle's."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from store import upkeep
from store.catalog.catalog import TableSettings
from store.errors import PartitionSilent, QueryFailed, UnknownTable
from store.memory import tier as memory_tier
from store.memory.room import MemoryRoom
from store.record import SeriesKey, TableId
from store.testing import Oracle, Row, batch_of
from tests.support.examples import times
from tests.support.lone_store import MAGNETIC, LoneStore, open_store
from tests.support.tables import inside, save_pending_rows

PARTITION = "0123/readings/0"
T0 = 1_795_000_000_000_000_000
TABLE = TableId("farm", "d", "t0")
FRAMES = 20 + times(380)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoneStore]:
    monkeypatch.setattr(upkeep, "FLUSH_AFTER_NS", 1)
    monkeypatch.setattr(memory_tier, "CHUNK_ROWS", 150)
    opened = open_store(
        tmp_path / "store",
        memory_limit_bytes=3 << 20,
        templates={("d", f"t{n}"): TableSettings(timedelta(days=9), from_config=True) for n in range(3)},
        clock_ns=lambda: T0 + 60_000_000_000,
    )
    yield opened
    opened.close()


def frame(offset: int, rng: random.Random) -> list[Row]:
    """New series, some with new dimensions and measures; late rows; repeats; new values."""
    rows = []
    for _ in range(10):
        series = rng.randrange(offset * 3 + 3)
        room_of = {f"room {series % 19}": str(series)} if series % 3 else {}
        dimensions = tuple(sorted({"s": str(series), **room_of}.items()))
        time_ns = T0 + offset * 1_000 - (rng.randrange(400_000) if rng.random() < 0.1 else 0)
        measures = (("v", float(rng.randrange(3))), (f"m{offset // 9}", "text" if offset // 9 % 2 else rng.random()))
        rows.append(Row(dimensions, time_ns, measures))
    return rows


class Threads:
    """Functions that run repeatedly in threads until `end`, which raises their exceptions."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._problems: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def add(self, work: Callable[[], None]) -> None:
        def repeat() -> None:
            try:
                while not self._over.is_set():
                    work()
            except BaseException as error:  # noqa: BLE001  # raised by `end`
                self._problems.append(error)

        self._threads.append(threading.Thread(target=repeat))
        self._threads[-1].start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for problem in self._problems:
            raise problem

    @property
    def failed(self) -> bool:
        return bool(self._problems)


def rows_of(store: LoneStore) -> list[tuple[object, ...]]:
    with store.snapshot(TABLE.account) as snapshot:
        columns = snapshot.schema(TABLE.database, TABLE.table).columns
        found = snapshot.execute(f"SELECT * FROM {snapshot.source(TABLE)}").to_pylist()
    named = [{c.name: r[c.physical] for c in columns if r[c.physical] is not None} for r in found]
    return sorted(tuple(sorted((name, str(value)) for name, value in row.items())) for row in named)


def test_new_series_and_columns_during_upkeep_and_queries(store: LoneStore) -> None:
    rng, threads, oracle = random.Random(1), Threads(), Oracle()
    keys = [0, 0]  # the least and the greatest number of applied ones

    def maintain() -> None:
        store.maintain()
        for table in store.all_tables():
            with inside(table).lock:
                inside(table).memory.insert_head(T0)
            MemoryRoom(store.table_bytes, 1 << 20).make([table])
            files = table.files()
            if len(files) > 4:
                table.rewrite([file for file in files if file.date == files[0].date])
            table.vacuum(T0)
        assert store.low_watermark(PARTITION) <= store.advanced().get(PARTITION, -1) + 1

    highest = [0]

    def ask() -> None:
        least = keys[0]
        with store.snapshot(TABLE.account) as snapshot:
            try:
                source = snapshot.source(TABLE)
            except UnknownTable:
                return
            wanted = {str(n) for n in range(0, 40, 3)}
            sql = f"SELECT count(*) AS n, count(DISTINCT (s, time_ns)) AS keys, count(s) AS named FROM {source}"
            row = snapshot.execute(sql).to_pylist()[0]
            part = snapshot.source(TABLE, dimensions={"s": wanted}, time_from_ns=T0)
            some = set(snapshot.execute(f"SELECT s FROM {part}")["s"].to_pylist())
        assert max(least, highest[0]) <= row["n"] <= keys[1]
        assert row["n"] == row["keys"] == row["named"]
        assert some <= wanted
        highest[0] = max(highest[0], row["n"])

    store.apply(batch_of(store.registry.of(TABLE), PARTITION, [0], [Row((("s", "0"),), T0, (("v", 1.0),))]))
    oracle.apply(Row((("s", "0"),), T0, (("v", 1.0),)))
    store.advance(PARTITION, 0)
    keys[:] = [1, 1]
    for work in (maintain, ask):
        threads.add(work)
    for offset in range(1, FRAMES):
        rows = frame(offset, rng)
        for row in rows:
            oracle.apply(row)
        keys[1] = len(oracle.rows)
        index = store.registry.of(TABLE)
        for row in frame(offset + 1, random.Random(offset)):  # normalise runs ahead
            index.id_of(SeriesKey(row.dimensions, row.measure_name))
        store.apply(batch_of(index, PARTITION, [offset] * 5, rows[:5]))
        store.apply(batch_of(index, PARTITION, [offset] * 5, rows[5:]))
        store.advance(PARTITION, offset)
        keys[0] = len(oracle.rows)
        if threads.failed:
            break
    threads.end()

    expected = sorted(
        tuple(sorted((n, str(v)) for n, v in (*r.dimensions, *r.values, ("measure_name", "m"), ("time", r.time_ns))))
        for r in oracle.rows.values()
    )
    assert rows_of(store) == expected
    store.flush()
    assert rows_of(store) == expected


def test_deleted_tables_stop_neither_upkeep_nor_the_log(store: LoneStore, tmp_path: Path) -> None:
    """A record that was applied to a table during its deletion fences the store: it is opened again."""
    threads, held = Threads(), [store]

    def maintain() -> None:
        store = held[0]
        store.maintain()
        save_pending_rows(store)
        for table in store.all_tables():
            with inside(table).lock:
                inside(table).memory.close_chunk()
            table.retain(TableSettings(), T0)

    def delete() -> None:
        store = held[0]
        for info in store.catalog.tables(TABLE.account):
            store.catalog.delete_table(info.table)

    def ask() -> None:
        store = held[0]
        for info in store.catalog.tables(TABLE.account):
            store.measure_types(info.table)
            try:
                with store.snapshot(TABLE.account) as snapshot:
                    snapshot.execute(f"SELECT count(*) FROM {snapshot.source(info.table)}")
            except (UnknownTable, QueryFailed, PartitionSilent):  # deleted, or opened again
                continue

    for work in (maintain, delete, ask):
        threads.add(work)
    deadline, offset = time.monotonic() + min(10, 0.5 + times(150) / 100), 0
    while time.monotonic() < deadline and not threads.failed:
        table = TableId("farm", "d", f"t{offset % 3}")
        rows = [Row((("s", str(n)),), T0 + offset, (("v", 1.0),)) for n in range(20)]
        if held[0].is_fenced:
            held[0] = held[0].again()
        store = held[0]
        store.apply(batch_of(store.registry.of(table), PARTITION, [offset] * 20, rows))
        store.advance(PARTITION, offset)
        offset += 1
    threads.end()
    delete()
    held[0].tables.drop_deleted()  # as at its next look: one may have been deleted while the store was opened again

    assert held[0].all_tables() == [] or held[0].is_fenced
    assert not list((tmp_path / "store" / MAGNETIC).rglob("*.parquet"))
