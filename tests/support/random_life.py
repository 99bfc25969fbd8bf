"""A store to which things happen at random: rows of every kind, and everything that may be done to them."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from store.catalog.catalog import TableSettings
from store.endpoint import WriteRecord, decode_write, encode_write
from store.memory.rollups import SETTLES_NS
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from tests.support.lone_store import PARTITION, LoneStore, open_store

T0 = 1_790_000_000_000_000_000 // 60_000_000_000 * 60_000_000_000
MINUTE_NS = 60_000_000_000
TABLE = TableId("acme", "farm", "readings")
TYPES = {"t": MeasureType.DOUBLE, "n": MeasureType.BIGINT}
SENSORS, ZONES = 12, 3


class Life:
    """A store to which things happen, at random."""

    def __init__(self, folder: Path, rng: random.Random, template: str | None) -> None:
        self._folder, self._rng = folder, rng
        self._settings = {
            ("farm", "readings"): TableSettings(from_config=True, zone=template, magnetic_retention=timedelta(days=1))
        }
        self._offset = 0
        self.monotonic_ns = 0
        self.now_ns = T0
        self.zone_of = {sensor: f"z{sensor % ZONES}" for sensor in range(SENSORS)}
        self.store = self._open()

    def _open(self) -> LoneStore:
        return open_store(
            self._folder,
            templates=self._settings,
            clock_ns=lambda: self.now_ns,
            monotonic_ns=lambda: self.monotonic_ns,
        )

    def _time_ns(self) -> int:
        late_ns = self._rng.choice((0, 0, 0, 0, self._rng.randrange(20 * MINUTE_NS)))
        return self.now_ns - late_ns + self._rng.randrange(10**9)

    def _keys(self) -> tuple[list[int], list[SeriesKey]]:
        sensors = [self._rng.randrange(SENSORS) for _ in range(self._rng.randrange(1, 60))]
        # the dimension is the zone of the template, and stays; without a template zones come from MQTT topics
        return sensors, [SeriesKey((("sensor", f"s{of}"), ("zone", f"z{of % ZONES}")), "m") for of in sensors]

    def publish(self) -> None:
        """Rows from devices, which are merged by measure; NaN and NULL among them."""
        sensors, keys = self._keys()
        index = self.store.registry.of(TABLE)
        values = [
            self._rng.choice((math.nan, math.inf, -0.0, 1e300, *(self._rng.uniform(-50, 50) for _ in range(40))))
            for _ in keys
        ]
        times = [self._time_ns() for _ in keys]
        columns = {
            "t": pa.array([None if self._rng.random() < 0.1 else value for value in values], pa.float64()),
            "n": pa.array(
                [None if self._rng.random() < 0.4 else self._rng.randrange(-(2**60), 2**60) for _ in keys], pa.int64()
            ),
        }
        count = len(keys)
        ids = [index.id_of(key, self.zone_of[of]) for of, key in zip(sensors, keys, strict=True)]
        self.apply(
            RecordBatch(
                index,
                PARTITION,
                np.array(ids, np.int32),
                np.array(times, np.int64),
                np.ones(count, np.int64),
                np.full(count, self._offset, np.int64),
                np.full(count, -1, np.int64),
                columns,
                TYPES,
            )
        )

    def write(self) -> None:
        """Rows of WriteRecords, with versions, of few times."""
        sensors, keys = self._keys()
        records = {}
        for of, key in zip(sensors, keys, strict=True):
            time_ns = self.now_ns // MINUTE_NS * MINUTE_NS + self._rng.randrange(3)
            measures = (
                ("t", MeasureType.DOUBLE, self._rng.uniform(0, 9)),
                ("n", MeasureType.BIGINT, self._rng.randrange(9)),
            )
            records[key, time_ns] = WriteRecord(
                key.dimensions, "m", time_ns, self._rng.randrange(1, 4), (self._rng.choice(measures),), self.zone_of[of]
            )
        payload = encode_write("farm", "readings", list(records.values()))
        self.apply(decode_write(payload, "acme", self.store.registry, PARTITION, self._offset, self.now_ns))

    def apply(self, batch: RecordBatch) -> None:
        """Apply the next frame of the log."""
        self.store.apply(batch)
        self.store.advance(PARTITION, self._offset)
        self._offset += 1

    def pass_time(self) -> None:
        self.now_ns += self._rng.randrange(2 * MINUTE_NS)
        self.monotonic_ns += self._rng.choice((10**9, SETTLES_NS + 1))

    def close_chunk(self) -> None:
        if table := self.store.opened(TABLE):
            table.close_chunk(self.monotonic_ns)

    def evict(self) -> None:
        if table := self.store.opened(TABLE):
            table.evict_oldest()

    def rewrite(self) -> None:
        """Merge the files of a date, or clean some."""
        table = self.store.opened(TABLE)
        if table is None or not table.files():
            return
        files = table.files_to_clean() or [file for file in table.files() if file.date == table.files()[0].date]
        table.rewrite(files)

    def move(self) -> None:
        """A sensor is in another zone from its next reading on."""
        if self._settings["farm", "readings"].zone is None:
            self.zone_of[self._rng.randrange(SENSORS)] = f"z{self._rng.randrange(ZONES)}"

    def retain(self) -> None:
        """Two days pass, and what is too old is deleted."""
        self.now_ns += 2 * 86_400_000_000_000
        if table := self.store.opened(TABLE):
            table.retain(self._settings["farm", "readings"], self.now_ns)

    def delete(self) -> None:
        """The table is deleted; the next row makes another."""
        if self.store.opened(TABLE):
            self.store.catalog.delete_table(TABLE)
            self.store.maintain()

    def restart(self) -> None:
        self.store.flush()
        self.store.close()
        self.store = self._open()

    def go_on(self) -> None:
        """Something happens."""
        often = (
            self.publish,
            self.publish,
            self.publish,
            self.pass_time,
            self.pass_time,
            self.store.maintain,
        )
        now_and_then = (self.write, self.close_chunk, self.store.flush, self.store.flush, self.evict, self.rewrite)
        seldom = (self.move, self.restart)
        self._rng.choice(self._rng.choice((often, often, often, often, now_and_then, now_and_then, seldom)))()
