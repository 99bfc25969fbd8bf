"""A store to which things happen at random: rows of every kind, and everything that may be done to them.

Tests ask it something after any of this, and compare with what they compute in another way: from the rows that the
table must have, which an oracle knows, or by SQL over the same snapshot.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from store.catalog.catalog import TableSettings
from store.catalog.zones import zone_of
from store.endpoint import WriteRecord, decode_write, encode_write
from store.memory.rollups import SETTLES_NS
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from store.table.vacuum import KEEP_NS
from store.testing import Oracle, Row
from tests.support.lone_store import PARTITION, LoneStore, open_store

T0 = 1_790_000_000_000_000_000 // 60_000_000_000 * 60_000_000_000
MINUTE_NS = 60_000_000_000
TABLE = TableId("acme", "farm", "readings")
TYPES = {"t": MeasureType.DOUBLE, "n": MeasureType.BIGINT, "note": MeasureType.VARCHAR}
SENSORS, ZONES = 12, 3


def key_of(sensor: int) -> SeriesKey:
    """The series of a sensor. Its zone is that of the template, and stays; without one zones come from MQTT topics."""
    rack = (("rack", f"k{sensor % 2}"),) if sensor % 4 < 2 else ()
    return SeriesKey((*rack, ("sensor", f"s{sensor}"), ("zone", f"z{sensor % ZONES}")), "m")


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
        self.spreads_ns = [
            10**9
        ]  # of the times of a moment: with a small one there are neighbours, and keys come twice
        self._oracle = Oracle()
        self.store = self._open()

    def live(self, steps: int, look: Callable[[], None]) -> None:
        """So many things happen, and `look` is called now and then; once rows expire, once the table is deleted."""
        for step in range(steps):
            self.go_on()
            if self._rng.random() < 0.4:
                look()
            if step == steps * 2 // 5:
                self.retain()
            if step == steps * 3 // 4:
                self.delete()

    def rows(self) -> list[Row]:
        """The rows that the table must have."""
        return self._oracle.visible(self.now_ns - self._settings["farm", "readings"].retention_ns)

    def _open(self) -> LoneStore:
        return open_store(
            self._folder,
            templates=self._settings,
            clock_ns=lambda: self.now_ns,
            monotonic_ns=lambda: self.monotonic_ns,
        )

    def _time_ns(self) -> int:
        late_ns = self._rng.choice((0, 0, 0, 0, self._rng.randrange(20 * MINUTE_NS)))
        return self.now_ns - late_ns + self._rng.randrange(self._rng.choice(self.spreads_ns))

    def _sensors(self) -> list[int]:
        return [self._rng.randrange(SENSORS) for _ in range(self._rng.randrange(1, 60))]

    def publish(self) -> None:
        """Rows from devices, which are merged by measure; NaN and NULL among them."""
        sensors = self._sensors()
        index, count = self.store.registry.of(TABLE), len(sensors)
        ids = [index.id_of(key_of(of), self._zone(of)) for of in sensors]
        times = [self._time_ns() for _ in sensors]
        made = [dict(self._values()) for _ in sensors]
        columns = {name: pa.array([of.get(name) for of in made], kind.arrow) for name, kind in TYPES.items()}
        batch = RecordBatch(
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
        rows = zip(sensors, times, made, strict=True)
        self.apply(batch, [Row(key_of(of).dimensions, time_ns, tuple(values.items())) for of, time_ns, values in rows])

    def _zone(self, sensor: int) -> str | None:
        """As the stream has it: of the template, else of the MQTT topic."""
        template = self._settings["farm", "readings"].zone
        return zone_of(template, dict(key_of(sensor).dimensions)) if template else self.zone_of[sensor]

    def _values(self) -> Iterator[tuple[str, float | int | str]]:
        """Of one row; what is NULL is left out."""
        if self._rng.random() < 0.9:
            special = (math.nan, math.inf, -0.0, 1e300)
            yield "t", self._rng.choice(special) if self._rng.random() < 0.1 else self._rng.uniform(-50, 50)
        if self._rng.random() < 0.6:
            yield "n", self._rng.randrange(-(2**60), 2**60)
        if self._rng.random() < 0.3:
            yield "note", self._rng.choice("abc")

    def write(self) -> None:
        """Rows of WriteRecords, with versions, of few times."""
        written = {}
        for of in self._sensors():
            time_ns = self.now_ns // MINUTE_NS * MINUTE_NS + self._rng.randrange(3)
            measures = (
                ("t", MeasureType.DOUBLE, self._rng.uniform(0, 9)),
                ("n", MeasureType.BIGINT, self._rng.randrange(9)),
            )
            written[of, time_ns] = WriteRecord(
                key_of(of).dimensions,
                "m",
                time_ns,
                self._rng.randrange(1, 4),
                (self._rng.choice(measures),),
                self._zone(of),
            )
        self.write_records(list(written.values()))

    def write_records(self, records: Sequence[WriteRecord]) -> None:
        """These records, as one frame."""
        payload = encode_write("farm", "readings", records)
        rows = [
            Row(of.dimensions, of.time_ns, tuple((name, value) for name, _, value in of.values), of.version)
            for of in records
        ]
        batch = decode_write(payload, "acme", self.store.registry, PARTITION, self._offset, self.now_ns)
        self.apply(batch, rows)

    def apply(self, batch: RecordBatch, rows: Sequence[Row]) -> None:
        """Apply the next frame of the log, which has these rows."""
        self.store.apply(batch)
        for row in rows:
            self._oracle.apply(row, by_version=batch.by_version)
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

    def vacuum(self) -> None:
        """Delete the files that no version needs."""
        if table := self.store.opened(TABLE):
            table.vacuum(self.now_ns)
            table.vacuum(self.now_ns + KEEP_NS)

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
            self._oracle = Oracle()

    def restart(self) -> None:
        self.store.flush()
        self.store.close()
        self.store = self._open()

    def load_back(self) -> None:
        """Some rows of before the start are loaded back into RAM."""
        if table := self.store.opened(TABLE):
            table.load_back(self._rng.choice((1, 10, 30, 1_000)), self.monotonic_ns)

    def go_on_beside(self) -> None:
        """Something happens that may happen while a statement runs."""
        for _ in range(self._rng.randrange(3)):
            self._rng.choice(
                (self.publish, self.write, self.store.flush, self.close_chunk, self.evict, self.rewrite, self.pass_time)
            )()

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
        seldom = (self.move, self.restart, self.vacuum, self.load_back)
        self._rng.choice(self._rng.choice((often, often, often, often, now_and_then, now_and_then, seldom)))()
