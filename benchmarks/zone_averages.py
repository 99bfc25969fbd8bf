"""The cost of averages of zones and of last values: 20 million values in RAM, from Parquet alone, and loaded back.

    .venv/bin/python benchmarks/zone_averages.py [--series 100000] [--rows 50] [--zones 1000]

One table with 4 measures of one decimal; every series has `--rows` rows, evenly over the last hour. What is printed is
the CPU of the whole process (DuckDB's threads too) for one question, the median of many.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import repository  # noqa: F401  # for tests.support
from msgspec.structs import replace

from pipeline.api.inventory.latest import LatestRequest
from pipeline.api.inventory.stores import StoreDirectory
from store.catalog.catalog import TableSettings
from store.reading.averages import zone_averages
from store.reading.bins import Bins
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from tests.support.lone_store import LoneStore, open_store

MEASURES = ("temperature", "humidity", "co2", "soil_moisture")
TYPES = dict.fromkeys(MEASURES, MeasureType.DOUBLE)
PARTITION = "bench/readings/0"
TABLE = TableId("default", "bench", "readings")
END_NS = 1_795_000_007_300_000_000
HOUR_NS = 3_600_000_000_000
MINUTE_NS = 60_000_000_000
BATCH_ROWS = 4_000


def fill(store: LoneStore, series: int, rows: int, zones: int) -> None:
    """Store the rows, in the order of their times, and do the maintenance that a worker does meanwhile."""
    index = store.registry.of(TABLE)
    rng = np.random.default_rng(1)
    for number in range(series):
        zone = f"z{number * 7_919 % zones}"
        key = SeriesKey((("region", f"r{number % 30}"), ("sensor", f"s{number:06d}"), ("zone", zone)), "climate")
        index.id_of(key, zone)
    total = series * rows
    for offset, first in enumerate(range(0, total, BATCH_ROWS)):
        at = np.arange(first, min(first + BATCH_ROWS, total))
        time_ns = END_NS - HOUR_NS + at * (HOUR_NS // total)
        store.apply(
            RecordBatch(
                index,
                PARTITION,
                (at * 7_919 % series).astype(np.int32),
                time_ns,
                np.ones(len(at), np.int64),
                np.full(len(at), offset, np.int64),
                time_ns,
                {name: pa.array(np.round(rng.normal(20, 3, len(at)), 1)) for name in MEASURES},
                TYPES,
            )
        )
        store.advance(PARTITION, offset)
        if offset % 125 == 124:
            store.flush()
            store.maintain()


def cpu_ms(question: Callable[[], object], times: int) -> float:
    """The median CPU of a question, after the first two."""
    spent = []
    for _ in range(times + 2):
        began = time.process_time()
        question()
        spent.append((time.process_time() - began) * 1e3)
    return float(np.median(spent[2:]))


def ask(store: LoneStore, zones: dict[str, list[int]], from_ns: int, bins: Bins | None) -> object:
    """Averages of one measure of these zones."""
    index = store.registry.of(TABLE)
    with store.snapshot("default") as snapshot:
        return zone_averages(snapshot, index, zones, MEASURES[:1], from_ns=from_ns, to_ns=END_NS, bins=bins)


def averages(store: LoneStore, where: str) -> None:
    """Print the cost of averages, with the times of dashboards, which end in the midst of a minute."""
    index = store.registry.of(TABLE)
    zones: dict[str, list[int]] = {}
    for number, zone in enumerate(index.zones):
        zones.setdefault(zone or "", []).append(number)
    one = dict(list(zones.items())[:1])
    minutes = Bins(MINUTE_NS)
    aligned_ns = (END_NS - HOUR_NS // 2) // MINUTE_NS * MINUTE_NS
    for name, asked, from_ns, bins, step_ns in (
        ("one zone, 1 h, 1-minute bins", one, END_NS - HOUR_NS + 1, minutes, 0),
        ("one zone, 30 min from a whole minute on, 1-minute bins", one, aligned_ns, minutes, 0),
        ("one zone, 30 min, 1-minute bins", one, END_NS - HOUR_NS // 2, minutes, 0),
        ("one zone, 30 to 17 min, another first minute each time", one, END_NS - HOUR_NS // 2, minutes, MINUTE_NS),
        (f"all {len(zones)} zones, 1 h", zones, END_NS - HOUR_NS + 1, None, 0),
        (f"all {len(zones)} zones, 30 min, 1-minute bins", zones, END_NS - HOUR_NS // 2, minutes, 0),
    ):
        began = time.process_time()
        ask(store, asked, from_ns, bins)
        first_ms = (time.process_time() - began) * 1e3
        for _ in range(3):
            store.maintain()
            ask(store, asked, from_ns, bins)
        starts = itertools.count(from_ns, step_ns)
        spent_ms = cpu_ms(lambda asked=asked, starts=starts, bins=bins: ask(store, asked, next(starts), bins), 11)  # type: ignore[misc]
        print(f"{where:8s} {name:56s} {spent_ms:8.2f} ms CPU, the first one {first_ms:8.2f}")


def lasts(store: LoneStore, where: str) -> None:
    """Print the cost of last values, with their JSON."""
    directory = StoreDirectory(store.catalog, lambda: [store])
    first = LatestRequest("default", None, (), MEASURES[:1], (), END_NS - HOUR_NS, 10_000)
    one = replace(first, dimensions=(("sensor", "s000042"),))
    began = time.process_time()
    directory.latest(first)
    print(f"{where:8s} {'last values, the first question':56s} {(time.process_time() - began) * 1e3:8.2f} ms CPU")
    for name, request in (("last values of 10,000 sensors", first), ("last value of one sensor", one)):
        print(f"{where:8s} {name:56s} {cpu_ms(lambda request=request: directory.latest(request), 11):8.2f} ms CPU")  # type: ignore[misc]


def load_back(store: LoneStore) -> None:
    """Let the maintenance load all rows back, as after a start, and print what it takes."""
    cpu_s, began_s = time.process_time(), time.monotonic()
    while not store.load_back.is_over:
        store.maintain()
        time.sleep(0.05)
    cpu_s, took_s = time.process_time() - cpu_s, time.monotonic() - began_s
    size_mb = store.table_bytes() / 1e6
    print(f"loaded {store.load_back.rows:,} rows back in {took_s:.1f} s: {cpu_s:.1f} s CPU, {size_mb:.0f} MB in RAM")


def opened(folder: Path) -> LoneStore:
    """The store in this folder."""
    settings = TableSettings(from_config=True, zone="{zone}")
    return open_store(
        folder,
        partition=PARTITION,
        memory_limit_bytes=1 << 30,
        templates={("bench", "readings"): settings},
        clock_ns=lambda: END_NS,
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=50, help="per series")
    parser.add_argument("--zones", type=int, default=1_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with closing(opened(Path(folder))) as store:
            began = time.process_time()
            fill(store, given.series, given.rows, given.zones)
            print(f"filled: {time.process_time() - began:.1f} s CPU, {store.table_bytes() / 1e6:.0f} MB in RAM")
            averages(store, "RAM")
            lasts(store, "RAM")
            store.flush()
        with closing(opened(Path(folder))) as store:
            store.load_back.is_over = True
            averages(store, "Parquet")
            lasts(store, "Parquet")
        with closing(opened(Path(folder))) as store:
            load_back(store)
            averages(store, "loaded")
            lasts(store, "loaded")


if __name__ == "__main__":
    main()
