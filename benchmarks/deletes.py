"""The cost of a DELETE: of one sensor in every file, of one day of all sensors, and of rows that no file has.

    .venv/bin/python benchmarks/deletes.py [--rows 4000000]

A table of 1,000 sensors with 4 measures, and a Parquet file a day; the newest rows are in RAM, too. CPU is that of the
whole process (DuckDB's threads and the rest of the maintenance, too), for a million rows of the files looked at.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import repository  # noqa: F401  # for tests.support

from store.catalog.catalog import TableSettings
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from tests.support.lone_store import LoneStore, open_store

SENSORS, DAYS = 1_000, 8
MEASURES = ("temperature", "humidity", "co2", "soil_moisture")
PARTITION = "bench/readings/0"
TABLE = TableId("default", "bench", "t")
T0, DAY_NS = 1_794_960_000_000_000_000, 86_400_000_000_000
MILLION = 1e6


def fill(store: LoneStore, rows: int) -> int:
    """Store so many rows, a day after the other; returns the next offset."""
    index, rng, a_day = store.registry.of(TABLE), np.random.default_rng(1), rows // DAYS
    for number in range(SENSORS):
        index.id_of(SeriesKey((("sensor", f"s{number:04d}"), ("zone", f"z{number // 10}")), "climate"))
    offset, at_once = 0, 50_000
    for day in range(DAYS):
        for begin in range(0, a_day, at_once):
            at = begin + np.arange(min(at_once, a_day - begin))
            time_ns = T0 + day * DAY_NS + at * (DAY_NS // a_day)
            measures = {name: pa.array(np.round(rng.normal(20, 3, len(at)), 1)) for name in MEASURES}
            ones = np.ones(len(at), np.int64)
            series, types = (at % SENSORS).astype(np.int32), dict.fromkeys(MEASURES, MeasureType.DOUBLE)
            store.apply(RecordBatch(index, PARTITION, series, time_ns, ones, ones * offset, time_ns, measures, types))
            store.advance(PARTITION, offset)
            offset += 1
        store.flush()
    return offset


def delete(store: LoneStore, offset: int, what: str, where: str, rows: int) -> None:
    """Print the cost of a DELETE, for a million of so many rows."""
    began, began_cpu, store.log_end[PARTITION] = time.perf_counter(), time.process_time(), offset + 1
    outcome = store.delete(TABLE, offset, f"DELETE FROM bench.t WHERE {where}", time.time_ns(), is_purge=False)
    store.advance(PARTITION, offset)
    passes = 0
    while not outcome.done():
        store.maintain()
        passes += 1
    cpu, wall = time.process_time() - began_cpu, time.perf_counter() - began
    told = f"{outcome.result(0).rows:9,} rows, {passes:2d} passes, {wall:5.1f} s"
    print(f"{what:32s} {told}   {cpu / rows * MILLION:5.2f} s CPU a million rows of {rows:,}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=4_000_000, help="rows stored")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(
            Path(folder),
            partition=PARTITION,
            memory_limit_bytes=1 << 30,
            templates={("bench", "t"): TableSettings(from_config=True)},
            clock_ns=time.time_ns,
        )
        offset = fill(store, rows)
        delete(store, offset, "no row, all files looked at", "sensor = 'x'", rows)
        delete(store, offset + 1, "a sensor in every file", "sensor = 's0001'", rows)
        day = f"time < from_nanoseconds({T0 + DAY_NS})"
        delete(store, offset + 2, "a day of all sensors", day, rows // DAYS)
        store.close()


if __name__ == "__main__":
    main()
