"""The cost of the store alone: apply, flush, seal, and zone averages over rows in RAM and in Parquet.

    .venv/bin/python benchmarks/store_apply.py [--rows 10000000]

Ten tables of 10,000 series, 4 measures with one decimal, 2,000 rows/s of event time each, as in the reference load. CPU
is that of the whole process (DuckDB's threads too). Numbers of a busy machine are noisy.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import repository  # noqa: F401  # for tests.support

from store.catalog.catalog import TableSettings
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from tests.support.lone_store import LoneStore, open_store

TABLES, SERIES, ROWS_PER_S = 10, 10_000, 2_000
MEASURES = ("temperature", "humidity", "co2", "soil_moisture")
TYPES = dict.fromkeys(MEASURES, MeasureType.DOUBLE)
PARTITION = "bench/readings/0"
T0 = 1_795_000_000_000_000_000


class Load:
    """Feeds a store with rows whose event time continues from call to call."""

    def __init__(self, store: LoneStore) -> None:
        self.store = store
        self.tables = [TableId("default", "bench", f"t{number}") for number in range(TABLES)]
        self.rows = 0  # per table
        self.offset = 0
        self.random = np.random.default_rng(1)
        for table in self.tables:
            index = store.registry.of(table)
            for s in range(SERIES):
                names = {
                    "greenhouse": f"g{s // 100}",
                    "region": f"r{s // 1000}",
                    "sensor": f"s{s:05d}",
                    "zone": f"z{s // 10}",
                }
                index.id_of(SeriesKey(tuple(names.items()), "climate"))

    def batch(self, table: TableId, rows: int, late: float) -> RecordBatch:
        """The next rows of one table."""
        at = self.rows + np.arange(rows)
        time_ns = T0 + at * (1_000_000_000 // ROWS_PER_S)
        is_late = self.random.random(rows) < late
        time_ns = time_ns - np.where(is_late, self.random.integers(1, 30, rows) * 1_000_000_000, 0)
        series = (at * 7_919 % SERIES).astype(np.int32)
        measures = {name: pa.array(np.round(self.random.normal(20, 3, rows), 1)) for name in MEASURES}
        return RecordBatch(
            self.store.registry.of(table),
            PARTITION,
            series,
            time_ns,
            np.ones(rows, np.int64),
            np.full(rows, self.offset, np.int64),
            time_ns,
            measures,
            TYPES,
        )

    def feed(self, rows_per_table: int, rows_per_batch: int, late: float) -> tuple[float, np.ndarray]:
        """CPU seconds of `apply`, and the wall seconds of each call."""
        cpu, walls = 0.0, []
        for _ in range(rows_per_table // rows_per_batch):
            for table in self.tables:
                batch = self.batch(table, rows_per_batch, late)
                started, cpu_started = time.perf_counter(), time.process_time()
                self.store.apply(batch)
                cpu += time.process_time() - cpu_started
                walls.append(time.perf_counter() - started)
                self.store.advance(PARTITION, self.offset)
                self.offset += 1
            self.rows += rows_per_batch
        return cpu, np.array(walls)


def cost(name: str, work: Callable[[], object], rows: int) -> None:
    """Print the cost of `work`."""
    started, cpu_started = time.perf_counter(), time.process_time()
    work()
    cpu = time.process_time() - cpu_started
    print(f"{name:44s} {time.perf_counter() - started:8.2f} s   {cpu / rows * 1e6:6.2f} µs CPU a row")


def averages(store: LoneStore, table: TableId, name: str, **bounds: object) -> None:
    """Print the time of zone averages."""
    walls = []
    for _ in range(5):
        started = time.perf_counter()
        with store.snapshot("default") as snapshot:
            source = snapshot.source(table, **bounds)  # type: ignore[arg-type]
            select = "zone, time_ns // 300000000000 AS bin, avg(temperature), count(*) AS n"
            sql = f"SELECT {select} FROM {source} GROUP BY ALL"
            rows = sum(snapshot.execute(sql)["n"].to_pylist())
        walls.append(time.perf_counter() - started)
    print(f"{name:44s} {np.median(walls) * 1e3:8.1f} ms   over {rows:,} rows")


def opened(folder: Path) -> LoneStore:
    """The store in this folder."""
    return open_store(
        folder,
        partition=PARTITION,
        memory_limit_bytes=1 << 30,
        templates={("bench", f"t{n}"): TableSettings(from_config=True) for n in range(TABLES)},
        clock_ns=time.time_ns,
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows stored altogether")
    wanted = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        store = opened(Path(folder))
        load = Load(store)
        load.feed(20_000, 4_000, 0)
        for rows, late in ((40, 0.0), (400, 0.0), (400, 0.05), (4_000, 0.0), (4_000, 0.05)):
            cpu, walls = load.feed(20_000, rows, late)
            per_row_us = cpu / (20_000 * TABLES) * 1e6
            p50_ms, p99_ms = np.quantile(walls, [0.5, 0.99]) * 1e3
            what = f"apply, batches of {rows:5d}, {late:3.0%} late"
            print(f"{what:44s} {per_row_us:8.2f} µs CPU a row, call p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms")
        cost("flush of ten tables", store.flush, load.rows * TABLES)
        while load.rows * TABLES < wanted:
            load.feed(60_000, 4_000, 0.05)
            store.flush()
        cost("seal and merge", store.maintain, load.rows * TABLES)
        values = load.rows * TABLES * len(MEASURES)
        parquet = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        print(f"{'RAM':44s} {store.table_bytes() / values:8.2f} bytes a value")
        print(f"{'Parquet, before merges are vacuumed':44s} {parquet / values:8.2f} bytes a value")
        table, end_ns = load.tables[0], T0 + load.rows * (1_000_000_000 // ROWS_PER_S)
        averages(store, table, "averages of all zones, RAM")
        averages(store, table, "averages of one zone, RAM", dimensions={"zone": ["z7"]})
        averages(
            store,
            table,
            "averages of one zone, last minute, RAM",
            dimensions={"zone": ["z7"]},
            time_from_ns=end_ns - 60_000_000_000,
        )
        store.close()
        store = opened(Path(folder))  # RAM is empty now
        averages(store, table, "averages of all zones, Parquet")
        averages(store, table, "averages of one zone, Parquet", dimensions={"zone": ["z7"]})
        store.close()


if __name__ == "__main__":
    main()
