"""Zone averages equal those computed by hand from the rows."""

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from store.catalog.catalog import TableSettings
from store.endpoint import WriteRecord, decode_write, encode_write
from store.reading.averages import MeasureNotNumeric, UnknownMeasure, zone_averages
from store.reading.bins import Bins
from store.reading.spreads import sensor_spreads, zone_percentiles
from store.record import MeasureType, SeriesIndex, TableId
from tests.support.lone_store import PARTITION, open_store

NOW_NS = 1_790_000_000_000_000_000
MINUTE_NS = 60_000_000_000
TABLE = TableId("acme", "farm", "readings")


class Farm:
    """A store with one table, and its rows."""

    def __init__(self, folder: Path, zone: str | None) -> None:
        self._folder = folder
        self._templates = {("farm", "readings"): TableSettings(from_config=True, zone=zone)}
        self.open()
        self.records: list[WriteRecord] = []
        self._offset = 0

    def open(self) -> None:
        """Open it; there is nothing in RAM then."""
        self.store = open_store(
            self._folder, memory_limit_bytes=64 << 20, templates=self._templates, clock_ns=lambda: NOW_NS
        )

    @property
    def index(self) -> SeriesIndex:
        return self.store.registry.of(TABLE)

    def write(self, records: list[WriteRecord]) -> None:
        payload = encode_write("farm", "readings", records)
        self.store.apply(decode_write(payload, "acme", self.store.registry, PARTITION, self._offset, NOW_NS))
        self.store.advance(PARTITION, self._offset)
        self._offset += 1
        self.records += records


def members(index: SeriesIndex, zones: list[str]) -> dict[str, list[int]]:
    """The series of each zone, as callers of averages pass them."""
    return {
        zone: [series for series, own_partition in enumerate(index.zones) if own_partition == zone] for zone in zones
    }


def changed(record: WriteRecord, rng: random.Random) -> WriteRecord:
    """The next version of a record, with other values of the same measures."""
    values = tuple((name, kind, type(value)(rng.randrange(40))) for name, kind, value in record.values)
    return replace(record, version=record.version + 1, values=values)


def record(zone: str | None, time_ns: int, dimensions: dict[str, str], **measures: float | bool | str) -> WriteRecord:
    kinds = {float: MeasureType.DOUBLE, int: MeasureType.BIGINT, bool: MeasureType.BOOLEAN, str: MeasureType.VARCHAR}
    values = tuple((name, kinds[type(value)], value) for name, value in measures.items())
    return WriteRecord(tuple(sorted(dimensions.items())), "climate", time_ns, 1, values, zone)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    made = Farm(tmp_path / "store", "{greenhouse}/{zone}")
    yield made
    made.store.close()


@pytest.mark.parametrize("seed", range(4))
def test_random_zones_bins_and_ranges_are_as_computed_by_hand(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    by_template = seed % 2 == 0
    farm = Farm(tmp_path / "store", "{greenhouse}/{zone}" if by_template else None)
    names = ["north", "it's", 'quo"te', "a/b", "☃", ""]
    for number in range(3):
        stored = {(one.dimensions, one.time_ns): one for one in farm.records}
        again = [changed(one, rng) for one in rng.sample(list(stored.values()), min(len(stored), 30))]
        batch = {(one.dimensions, one.time_ns): one for one in again}
        for _ in range(400):
            greenhouse, part = rng.choice(names), rng.choice(names)
            dimensions = {"greenhouse": greenhouse, "zone": part, "sensor": str(rng.randrange(5))}
            if not by_template and rng.random() < 0.3:
                del dimensions["zone"]
            text = "/".join(dimensions[name] for name in ("greenhouse", "zone") if name in dimensions)
            made = record(
                text,
                NOW_NS - rng.randrange(6 * 60) * MINUTE_NS - rng.randrange(5),
                dimensions,
                temperature=rng.uniform(-5, 40),
                **({"count": rng.randrange(-(2**40), 2**40)} if rng.random() < 0.7 else {}),
            )
            batch.setdefault((made.dimensions, made.time_ns), made)
        known = stored.keys() - {(one.dimensions, one.time_ns) for one in again}
        farm.write([one for key, one in batch.items() if key not in known])
        if number < 2 or seed >= 2:
            farm.store.flush()
        if number == seed:
            farm.store.close()
            farm.open()
    stored = {(one.dimensions, one.time_ns): one for one in farm.records}
    all_zones = sorted({one.zone or "" for one in stored.values()})
    for _ in range(12):
        zones = rng.sample(all_zones, rng.randrange(1, 6))
        from_ns = NOW_NS - rng.randrange(7 * 60) * MINUTE_NS - rng.randrange(3)
        to_ns = from_ns + rng.randrange(7 * 60) * MINUTE_NS
        bin_ns = rng.choice([None, MINUTE_NS, 7 * MINUTE_NS, 3_600_000_000_001])

        with farm.store.snapshot("acme") as snapshot:
            found = zone_averages(
                snapshot,
                farm.index,
                members(farm.index, zones),
                ["temperature", "count"],
                from_ns=from_ns,
                to_ns=to_ns,
                bins=None if bin_ns is None else Bins(bin_ns),
            )

        assert set(found) == {(zone, measure) for zone in zones for measure in ("temperature", "count")}
        for (zone, measure), rows in found.items():
            groups = defaultdict(list)
            for one in stored.values():
                had = {name: value for name, _, value in one.values}
                if one.zone == zone and from_ns <= one.time_ns < to_ns and measure in had:
                    start = None if bin_ns is None else one.time_ns // bin_ns * bin_ns
                    groups[start].append(float(had[measure]))
            assert [row.time_ns for row in rows] == sorted(groups, key=lambda start: start or 0)
            for row in rows:
                values = groups[row.time_ns]
                assert (row.count, row.min, row.max) == (len(values), min(values), max(values))
                assert math.isclose(row.average, math.fsum(values) / len(values), rel_tol=1e-9, abs_tol=1e-3)
    farm.store.close()


def test_from_is_in_the_range_and_to_is_not(farm: Farm) -> None:
    place = {"greenhouse": "g", "zone": "z"}
    farm.write([record("g/z", NOW_NS + step, place, temperature=float(step)) for step in (-1, 0, 1)])

    with farm.store.snapshot("acme") as snapshot:
        found = zone_averages(
            snapshot, farm.index, members(farm.index, ["g/z"]), ["temperature"], from_ns=NOW_NS - 1, to_ns=NOW_NS + 1
        )

    (row,) = found["g/z", "temperature"]
    assert (row.time_ns, row.count, row.average) == (None, 2, -0.5)


def test_a_zone_nobody_has_and_a_range_with_nothing_in_it_have_no_rows(farm: Farm) -> None:
    farm.write([record("g/z", NOW_NS, {"greenhouse": "g", "zone": "z"}, temperature=1.0)])

    with farm.store.snapshot("acme") as snapshot:
        found = zone_averages(
            snapshot, farm.index, members(farm.index, ["g/z", "nowhere"]), ["temperature"], from_ns=0, to_ns=NOW_NS
        )

    assert found == {("g/z", "temperature"): [], ("nowhere", "temperature"): []}


def test_a_measure_without_an_average_is_refused_by_name(farm: Farm) -> None:
    farm.write([record("g/z", NOW_NS, {"greenhouse": "g", "zone": "z"}, temperature=1.0, open=True)])

    with farm.store.snapshot("acme") as snapshot:
        with pytest.raises(
            UnknownMeasure, match=r"no measure 'temp' in farm\.readings; its measures are: temperature, open"
        ):
            zone_averages(snapshot, farm.index, members(farm.index, ["g/z"]), ["temp"], from_ns=0, to_ns=1)
        with pytest.raises(MeasureNotNumeric, match=r"measure 'open' of farm\.readings is a boolean, not a number"):
            zone_averages(snapshot, farm.index, members(farm.index, ["g/z"]), ["open"], from_ns=0, to_ns=1)


@pytest.mark.parametrize("seed", range(2))
def test_percentiles_and_the_spread_over_sensors_are_as_computed_by_hand(tmp_path: Path, seed: int) -> None:
    """From RAM and from files, with zones by template and by name."""
    rng = random.Random(seed)
    farm = Farm(tmp_path / "store", "{greenhouse}/{zone}" if seed else None)
    for flushed in (True, False):
        rows = {
            (sensor, NOW_NS - rng.randrange(600) * MINUTE_NS - (not flushed)): rng.uniform(-5, 40)
            for sensor in range(12)
            for _ in range(rng.randrange(1, 40))
        }
        farm.write(
            [
                record(
                    f"g/{sensor % 3}",
                    time_ns,
                    {"greenhouse": "g", "zone": str(sensor % 3), "sensor": str(sensor)},
                    temperature=value,
                )
                for (sensor, time_ns), value in rows.items()
            ]
        )
        if flushed:
            farm.store.flush()
    from_ns, to_ns, width_ns = NOW_NS - 500 * MINUTE_NS, NOW_NS, 60 * MINUTE_NS
    values: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in farm.records:
        if from_ns <= one.time_ns < to_ns:
            sensor = dict(one.dimensions)["sensor"]
            values[str(one.zone), one.time_ns // width_ns * width_ns][sensor].append(float(one.values[0][2]))

    zones = ["g/0", "g/2"]
    with farm.store.snapshot("acme") as snapshot:
        of = snapshot, farm.index, members(farm.index, zones), ["temperature"]
        span = {"from_ns": from_ns, "to_ns": to_ns}
        percentiles = zone_percentiles(*of, [0, 25, 100], **span, bins=Bins(width_ns))
        spreads = sensor_spreads(*of, **span, bins=Bins(width_ns))
        whole = sensor_spreads(*of, **span)
        nobody = sensor_spreads(snapshot, farm.index, {"none": []}, ["temperature"], **span)

    for zone in zones:
        bins = sorted(start for of_zone, start in values if of_zone == zone)
        assert sorted(percentiles[zone, "temperature"]) == bins
        assert list(spreads[zone, "temperature"]) == bins
        for start in bins:
            by_sensor = values[zone, start]
            rows = [value for of_sensor in by_sensor.values() for value in of_sensor]
            assert percentiles[zone, "temperature"][start] == pytest.approx(np.percentile(rows, [0, 25, 100]))
            means = [math.fsum(of_sensor) / len(of_sensor) for of_sensor in by_sensor.values()]
            found = spreads[zone, "temperature"][start]
            assert found.count == len(means)
            expected = np.percentile(means, [0, 10, 50, 90, 100])
            assert [found.min, found.p10, found.p50, found.p90, found.max] == pytest.approx(expected)
        assert list(whole[zone, "temperature"]) == [None]
    assert nobody == {("none", "temperature"): {}}
    farm.store.close()
