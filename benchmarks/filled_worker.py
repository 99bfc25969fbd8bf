"""A worker, as `streamgauge worker` runs it, whose table is filled without a stream: for questions over many rows.

    .venv/bin/python benchmarks/filled_worker.py config.yaml --series 100000 --rows 50

It prints one line of JSON when it answers: its HTTP address, and the times of the rows. Rows of all series come every
five seconds, up to now, and are in RAM and committed. Its data is good for nothing else: the log has no such readings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import repository  # noqa: F401  # for tests.support

from pipeline.api.http.services import Services
from pipeline.config import Config, load_config
from pipeline.stream.partitions.partition import Partition
from pipeline.worker.group import Group
from pipeline.worker.worker import SWITCH_INTERVAL_S, Worker
from store.catalog.catalog import Catalog, TableSettings
from store.catalog.document import Document
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from tests.support.waiting import wait_for

NS = 1_000_000_000
EVERY_NS = 5 * NS
REGIONS, GREENHOUSES, ZONES = 30, 10, 4  # regions; greenhouses in each; zones in each of those
MEASURES = ("temperature", "humidity", "co2", "soil_moisture")
TYPES = dict.fromkeys(MEASURES, MeasureType.DOUBLE)
TABLE = TableId("default", "agriculture", "readings")
OTHERS = "others"  # the database of empty tables
BATCH_ROWS = 10_000


def dimensions_of(sensor: int) -> dict[str, str]:
    """The dimensions of a sensor."""
    region, greenhouse, zone = sensor % REGIONS, sensor // REGIONS % GREENHOUSES, sensor // 300 % ZONES
    return {
        "greenhouse": f"gh-{region:02}-{greenhouse}",
        "region": f"region-{region:02}",
        "sensor": f"s-{sensor:06}",
        "zone": f"zone-{zone}",
    }


def values_of(row: int, series: int) -> dict[str, np.ndarray]:
    """The measures of all sensors in one row, as sensors write them: with few decimals."""
    random = np.random.default_rng(row)
    means = {"temperature": (22, 3, 1), "humidity": (60, 9, 1), "co2": (600, 90, 0), "soil_moisture": (35, 5, 1)}
    return {
        name: np.round(random.normal(mean, deviation, series), digits)
        for name, (mean, deviation, digits) in means.items()
    }


def create_tables(catalog: Catalog, count: int) -> None:
    """Create empty tables in one version of the catalog: a version for each takes minutes."""
    catalog.create_database(TABLE.account, OTHERS)

    def create(document: Document) -> None:
        for number in range(count):
            document.create_table(
                TableId(TABLE.account, OTHERS, f"table_{number:04}"), TableSettings(), catalog.now_ns(), None
            )

    catalog._change(create)  # noqa: SLF001  # clients create one table at a time


async def fill(partition: Partition, series: int, rows: int, tables: int) -> tuple[int, int]:
    """Apply the rows, and commit them; returns the times of the first one and after the last one."""
    store = partition.store
    if tables:
        create_tables(store.catalog, tables)
    index = store.registry.of(TABLE)
    for sensor in range(series):
        named = dimensions_of(sensor)
        index.id_of(SeriesKey(tuple(named.items()), "climate"), f"{named['greenhouse']}/{named['zone']}")
    first_ns = (time.time_ns() // NS - 1) * NS - (rows - 1) * EVERY_NS
    offset = 0
    for row in range(rows):
        values = values_of(row, series)
        for start in range(0, series, BATCH_ROWS):
            ids = np.arange(start, min(start + BATCH_ROWS, series), dtype=np.int32)
            times_ns = np.full(len(ids), first_ns + row * EVERY_NS)
            measures = {name: pa.array(column[ids]) for name, column in values.items()}
            same = np.ones(len(ids), np.int64)
            store.apply(
                RecordBatch(index, store.own_partition, ids, times_ns, same, same * offset, times_ns, measures, TYPES)
            )
            store.advance(store.own_partition, offset)
            offset += 1
        await asyncio.sleep(0)
    await asyncio.to_thread(store.flush)
    await asyncio.to_thread(store.maintain)
    return first_ns, first_ns + rows * EVERY_NS


class FilledWorker(Worker):
    """A worker that fills its table when it has started."""

    def __init__(self, config: Config, series: int, rows: int, tables: int) -> None:
        super().__init__(config)
        self._wanted = series, rows, tables

    async def fill(self, address: str) -> None:
        """Wait for the partition, fill it, say so."""
        owned = self.partitions.owned
        await asyncio.to_thread(wait_for, lambda: owned.has_replayed, "the worker has its partition")
        (partition,) = self.partitions.owned
        from_ns, to_ns = await fill(partition, *self._wanted)
        print(json.dumps({"http": address, "from_ns": from_ns, "to_ns": to_ns}), flush=True)

    def _services(self, group: Group) -> Services:
        self._filling = asyncio.create_task(self.fill(group.own.removeprefix("http://")))
        return super()._services(group)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=50, help="of each series")
    parser.add_argument("--tables", type=int, default=1_000, help="empty ones beside it")
    arguments = parser.parse_args()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    worker = FilledWorker(load_config(arguments.config), arguments.series, arguments.rows, arguments.tables)
    asyncio.run(worker.run())


if __name__ == "__main__":
    main()
