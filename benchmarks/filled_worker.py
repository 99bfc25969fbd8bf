"""A worker, as `streamgauge worker` runs it, whose table is filled without a stream: for questions over many rows.

    .venv/bin/python benchmarks/filled_worker.py config.yaml --series 100000 --rows 50

It prints one line of JSON when it answers: its HTTP address, and the times of the rows. Rows of all series come every
five seconds, up to now, and are in RAM and committed. Its data is good for nothing else: the log has no such readings.
With `--rate` it goes on to apply so many newer rows a second, as the stream would once it has read them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
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
REGIONS, GREENHOUSES, ZONES = 30, 10, 4  # regions; greenhouses in each; zones in each of those
MEASURES = ("temperature", "humidity", "co2", "soil_moisture")
TYPES = dict.fromkeys(MEASURES, MeasureType.DOUBLE)
TABLE = TableId("default", "agriculture", "readings")
OTHERS = "others"  # the database of empty tables
BATCH_ROWS = 10_000
FLUSH_BATCHES = 200  # of filling: two million rows
APPLY_EVERY_S = 0.2


def dimensions_of(sensor: int) -> dict[str, str]:
    """The dimensions of a sensor."""
    region, greenhouse, zone = sensor % REGIONS, sensor // REGIONS % GREENHOUSES, sensor // 300 % ZONES
    return {
        "greenhouse": f"gh-{region:02}-{greenhouse}",
        "region": f"region-{region:02}",
        "sensor": f"s-{sensor:06}",
        "zone": f"zone-{zone}",
    }


@dataclass(frozen=True, slots=True)
class Size:
    """How many series there are, rows of each, and how far apart these are."""

    series: int
    rows: int
    every_ns: int


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of some sensors: numbers of the sensors, of the rows, and the measures."""

    sensors: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    measures: dict[str, npt.NDArray[np.float64]]


def blocks(size: Size) -> Iterator[Block]:
    """All rows, in order of time, with measures as sensors write them: with few decimals."""
    together = max(1, BATCH_ROWS // size.series)
    means = {"temperature": (22, 3, 1), "humidity": (60, 9, 1), "co2": (600, 90, 0), "soil_moisture": (35, 5, 1)}
    for first in range(0, size.rows, together):
        numbers = np.arange(first, min(first + together, size.rows))
        random = np.random.default_rng(first)
        for start in range(0, size.series, BATCH_ROWS):
            sensors = np.arange(start, min(start + BATCH_ROWS, size.series), dtype=np.int32)
            count = len(sensors) * len(numbers)
            measures = {
                name: np.round(random.normal(mean, deviation, count), digits)
                for name, (mean, deviation, digits) in means.items()
            }
            yield Block(np.tile(sensors, len(numbers)), np.repeat(numbers, len(sensors)), measures)


def create_tables(catalog: Catalog, count: int) -> None:
    """Create empty tables in one version of the catalog: a version for each takes minutes."""
    catalog.create_database(TABLE.account, OTHERS)

    def create(document: Document) -> None:
        for number in range(count):
            document.create_table(
                TableId(TABLE.account, OTHERS, f"table_{number:04}"), TableSettings(), catalog.now_ns(), None
            )

    catalog._change(create)  # noqa: SLF001  # clients create one table at a time


class Filling:
    """Applies rows to a partition, as the stream does."""

    def __init__(self, partition: Partition, size: Size) -> None:
        self._store = partition.store
        self._size = size
        self._index = self._store.registry.of(TABLE)
        self._offset = 0
        self.first_ns = (time.time_ns() // NS - 1) * NS - (size.rows - 1) * size.every_ns
        self.end_ns = self.first_ns + size.rows * size.every_ns

    async def fill(self, tables: int) -> None:
        """Apply all rows, and commit them."""
        if tables:
            create_tables(self._store.catalog, tables)
        for sensor in range(self._size.series):
            named = dimensions_of(sensor)
            self._index.id_of(SeriesKey(tuple(named.items()), "climate"), f"{named['greenhouse']}/{named['zone']}")
        for number, block in enumerate(blocks(self._size), start=1):
            self._apply(block.sensors, self.first_ns + block.rows * self._size.every_ns, block.measures)
            await asyncio.sleep(0)
            if number % FLUSH_BATCHES == 0:
                await self._commit()
        await self._commit()

    async def go_on(self, rate: int) -> None:
        """Apply so many newer rows a second, until cancelled."""
        random = np.random.default_rng(0)
        count = int(rate * APPLY_EVERY_S)
        while True:
            began_s = time.monotonic()
            sensors = random.integers(0, self._size.series, count, dtype=np.int32)
            times_ns = time.time_ns() + np.arange(count)
            self._apply(sensors, times_ns, {name: np.round(random.normal(50, 5, count), 1) for name in MEASURES})
            await asyncio.sleep(max(0.0, APPLY_EVERY_S - (time.monotonic() - began_s)))

    def _apply(
        self,
        sensors: npt.NDArray[np.int32],
        times_ns: npt.NDArray[np.int64],
        measures: dict[str, npt.NDArray[np.float64]],
    ) -> None:
        same = np.ones(len(sensors), np.int64)
        columns = {name: pa.array(column) for name, column in measures.items()}
        of = self._store.own_partition
        batch = RecordBatch(self._index, of, sensors, times_ns, same, same * self._offset, times_ns, columns, TYPES)
        self._store.apply(batch)
        self._store.advance(of, self._offset)
        self._offset += 1

    async def _commit(self) -> None:
        await asyncio.to_thread(self._store.flush)
        await asyncio.to_thread(self._store.maintain)


class FilledWorker(Worker):
    """A worker that fills its table when it has started."""

    def __init__(self, config: Config, size: Size, tables: int, rate: int) -> None:
        super().__init__(config, lambda: config)
        self._size, self._tables, self._rate = size, tables, rate

    async def fill(self, address: str) -> None:
        """Wait for the partition, fill it, say so."""
        owned = self.partitions.owned
        await asyncio.to_thread(wait_for, lambda: owned.has_replayed, "the worker has its partition")
        (partition,) = self.partitions.owned
        filling = Filling(partition, self._size)
        await filling.fill(self._tables)
        print(json.dumps({"http": address, "from_ns": filling.first_ns, "to_ns": filling.end_ns}), flush=True)
        if self._rate:
            await filling.go_on(self._rate)

    def _services(self, group: Group) -> Services:
        self._filling = asyncio.create_task(self.fill(group.own.removeprefix("http://")))
        return super()._services(group)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=50, help="of each series")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between them (default 5)")
    parser.add_argument("--tables", type=int, default=1_000, help="empty ones beside it")
    parser.add_argument("--rate", type=int, default=0, help="newer rows a second that are applied when it answers")
    arguments = parser.parse_args()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    size = Size(arguments.series, arguments.rows, int(arguments.every * NS))
    worker = FilledWorker(load_config(arguments.config), size, arguments.tables, arguments.rate)
    asyncio.run(worker.run())


if __name__ == "__main__":
    main()
