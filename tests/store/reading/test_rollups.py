"""Averages made of rollups are those of plain SQL over the same snapshot, whatever has happened to the rows."""

import math
import random
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from store.catalog.catalog import TableSettings
from store.endpoint import WriteRecord, decode_write, encode_write
from store.memory import rollup, tier
from store.memory.rollups import SETTLES_NS
from store.reading import averages
from store.reading.averages import zone_averages
from store.reading.bins import Bins
from store.reading.rolled import Division
from store.reading.snapshot import Snapshot
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
        self._monotonic_ns = 0
        self.now_ns = T0
        self.zone_of = {sensor: f"z{sensor % ZONES}" for sensor in range(SENSORS)}
        self.store = self._open()

    def _open(self) -> LoneStore:
        return open_store(
            self._folder,
            templates=self._settings,
            clock_ns=lambda: self.now_ns,
            monotonic_ns=lambda: self._monotonic_ns,
        )

    def _time_ns(self) -> int:
        late_ns = self._rng.choice((0, 0, 0, 0, self._rng.randrange(20 * MINUTE_NS)))
        return self.now_ns - late_ns + self._rng.randrange(10_000)

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
        self._apply(
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
            values = (("t", MeasureType.DOUBLE, self._rng.uniform(0, 9)),)
            records[key, time_ns] = WriteRecord(
                key.dimensions, "m", time_ns, self._rng.randrange(1, 4), values, self.zone_of[of]
            )
        payload = encode_write("farm", "readings", list(records.values()))
        self._apply(decode_write(payload, "acme", self.store.registry, PARTITION, self._offset, self.now_ns))

    def _apply(self, batch: RecordBatch) -> None:
        self.store.apply(batch)
        self.store.advance(PARTITION, self._offset)
        self._offset += 1

    def pass_time(self) -> None:
        self.now_ns += self._rng.randrange(2 * MINUTE_NS)
        self._monotonic_ns += self._rng.choice((10**9, SETTLES_NS + 1))

    def close_chunk(self) -> None:
        if table := self.store.opened(TABLE):
            table.close_chunk(self._monotonic_ns)

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


def by_sql(
    snapshot: Snapshot, zone_of: dict[str, str | None], measure: str, from_ns: int, to_ns: int, bins: Bins | None
) -> dict[tuple[str, object], tuple[float, ...]]:
    """The same averages, by zone and start of the bin; a row is of the zone that its sensor has now."""
    source = snapshot.source(TABLE, time_from_ns=from_ns, time_to_ns=to_ns)
    whens = " ".join(f"WHEN '{sensor}' THEN '{of}'" for sensor, of in zone_of.items())
    zone = f"CASE sensor {whens} END"
    start = "NULL" if bins is None else bins.sql("time_ns", from_ns, to_ns)
    called = ", ".join(f"{call}({measure})::DOUBLE" for call in ("avg", "min", "max", "count"))
    largest = f"max(abs({measure})) FILTER (NOT isnan({measure}::DOUBLE) AND NOT isinf({measure}::DOUBLE))::DOUBLE"
    rows = snapshot.execute(f"SELECT {zone} AS of, {start} AS start, {called}, {largest} FROM {source} GROUP BY ALL")
    found = zip(*(column.to_pylist() for column in rows.columns), strict=True)
    return {(row[0], row[1]): row[2:] for row in found if row[5]}


def same(found: float, expected: float, largest: float) -> bool:
    """Whether they differ only by the order of additions."""
    return found == expected or (math.isnan(found) and math.isnan(expected)) or abs(found - expected) <= 1e-12 * largest


def check(life: Life, rng: random.Random) -> None:
    """Ask for averages of some zones in some range."""
    index = life.store.registry.of(TABLE)
    zones = {
        f"z{zone}": [of for of, name in enumerate(index.zones) if name == f"z{zone}"]
        for zone in range(ZONES)
        if rng.random() < 0.8
    }
    from_ns = life.now_ns - rng.randrange(30 * MINUTE_NS)
    from_ns = rng.choice((from_ns, from_ns // MINUTE_NS * MINUTE_NS, 0))
    to_ns = rng.choice(
        (
            life.now_ns,
            life.now_ns + 10,
            life.now_ns + MINUTE_NS,
            life.now_ns // MINUTE_NS * MINUTE_NS,
            from_ns + MINUTE_NS // 2,
        )
    )
    bins = rng.choice((None, Bins(MINUTE_NS), Bins(5 * MINUTE_NS), Bins(MINUTE_NS // 2)))
    if life.store.opened(TABLE) is None:
        return
    zone_of = {dict(key.dimensions)["sensor"]: zone for key, zone in zip(index.keys, index.zones, strict=True)}
    if not zone_of:
        return
    with life.store.snapshot("acme") as snapshot:
        known = {column.name for column in snapshot.schema("farm", "readings").columns}
        measures = [name for name in ("t", "n") if name in known]
        found = zone_averages(snapshot, index, zones, measures, from_ns=from_ns, to_ns=to_ns, bins=bins)
        for measure in measures:
            expected = by_sql(snapshot, zone_of, measure, from_ns, to_ns, bins)
            rows = {(zone, row.time_ns): row for zone in zones for row in found[zone, measure]}
            assert rows.keys() == {key for key in expected if key[0] in zones}
            for key, row in rows.items():
                average, least, greatest, count, largest = expected[key]
                assert row.count == count
                assert same(row.min, least, 0)
                assert same(row.max, greatest, 0)
                assert same(row.average, average, largest or 0)


@pytest.fixture
def divisions(monkeypatch: pytest.MonkeyPatch) -> list[Division]:
    """The divisions of the test's averages."""
    made: list[Division] = []
    rows_of_zones = Snapshot.rows_of_zones

    def noted(*given: object, **options: object) -> tuple[Division, str]:
        division, rows = rows_of_zones(*given, **options)  # type: ignore[arg-type]
        made.append(division)
        return division, rows

    monkeypatch.setattr(averages.Snapshot, "rows_of_zones", noted)
    return made


@pytest.mark.parametrize("seed", range(9))
def test_averages_are_those_of_plain_sql_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, divisions: list[Division], seed: int
) -> None:
    monkeypatch.setattr(tier, "CHUNK_ROWS", 40)
    if seed == 5:
        monkeypatch.setattr(rollup, "FEW_ROWS", 20)
    rng = random.Random(seed)
    life = Life(tmp_path, rng, ("{zone}", "zone", None)[seed % 3])
    for step in range(150):
        life.go_on()
        if rng.random() < 0.4:
            check(life, rng)
        if step in (60, 110):
            life.retain() if step == 60 else life.delete()
    life.store.close()

    assert any(division.pieces for division in divisions)
