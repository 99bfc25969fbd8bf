"""Averages on every worker, and last values of all owners together, are those of all rows, whoever owns partitions."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from workers_bench import PARTITIONS, RETENTION, TABLE, Bench, partition_of

from store.catalog.catalog import TableSettings
from store.memory import tier
from store.reading.averages import zone_averages
from store.reading.bins import Bins
from store.record import SeriesIndex, SeriesKey
from store.testing import Row
from tests.support.examples import times

MINUTE_NS = 60_000_000_000
TEMPLATES = {("d", "t"): TableSettings(RETENTION, from_config=True, zone="{zone}")}
ZONES, SENSORS = 3, 12


def write(bench: Bench, rng: random.Random) -> None:
    """Rows of some sensors; some of them come again with another value."""
    rows = {}
    for _ in range(rng.randrange(1, 40)):
        sensor = rng.randrange(SENSORS)
        time_ns = bench.now_ns - rng.choice((0, 0, 0, rng.randrange(10 * MINUTE_NS))) + rng.randrange(1_000)
        dimensions = (("s", f"{sensor}"), ("zone", f"z{sensor % ZONES}"))
        row = Row(dimensions, time_ns, (("v", float(rng.randrange(100))),))
        rows[row.key] = row
        index = bench.owners[partition_of(row)].registry.of(TABLE)
        index.id_of(SeriesKey(dimensions, row.measure_name), f"z{sensor % ZONES}")
    bench.write(list(rows.values()))


def averages_are_right(bench: Bench, rng: random.Random, worker: int) -> None:
    index = SeriesIndex(TABLE)  # as the directory of a group makes it
    zones: dict[str, list[int]] = {f"z{zone}": [] for zone in range(ZONES)}
    for store in bench.owners.values():
        for key in store.registry.of(TABLE).keys:
            zone = dict(key.dimensions)["zone"]
            zones[zone].append(index.id_of(key, zone))
    from_ns = bench.now_ns - rng.randrange(15) * MINUTE_NS - rng.choice((0, 17))
    to_ns = bench.now_ns + rng.choice((MINUTE_NS, 0))
    with bench.workers[worker].snapshot("farm", bench.gather_of(worker)) as snapshot:
        found = zone_averages(snapshot, index, zones, ["v"], from_ns=from_ns, to_ns=to_ns, bins=Bins(MINUTE_NS))
    expected: dict[tuple[str, int], list[float]] = {}
    for row in bench.oracles[TABLE].visible(from_ns, to_ns):
        start = row.time_ns // MINUTE_NS * MINUTE_NS
        expected.setdefault((dict(row.dimensions)["zone"], start), []).append(float(dict(row.values)["v"]))
    rows = {(zone, row.time_ns): row for zone in zones for row in found[zone, "v"]}
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        values = expected[key]
        assert (row.count, row.min, row.max) == (len(values), min(values), max(values))
        assert math.isclose(row.average, sum(values) / len(values), rel_tol=1e-12)


def last_values_are_right(bench: Bench, rng: random.Random) -> None:
    from_ns = bench.now_ns - rng.randrange(1, 15) * MINUTE_NS
    found = {}
    for store in bench.owners.values():
        latest = store.latest(TABLE, "v", from_ns)
        if latest is not None:
            keys = [store.registry.of(TABLE).keys[series].dimensions for series in latest.series]
            found |= dict(zip(keys, zip(latest.time_ns.tolist(), latest.values.tolist(), strict=True), strict=True))
    expected: dict[object, tuple[int, object]] = {}
    for row in sorted(bench.oracles[TABLE].visible(from_ns), key=lambda row: row.time_ns):
        expected[row.dimensions] = row.time_ns, dict(row.values)["v"]
    assert found == expected


@pytest.mark.parametrize("seed", range(times(3)))
def test_averages_and_last_values_of_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(tier, "CHUNK_ROWS", 30)
    rng = random.Random(seed)
    workers = 1 if seed == 2 else 2
    bench = Bench(str(tmp_path / "magnetic"), workers, TEMPLATES)
    write(bench, rng)
    for _ in range(min(60, times(120))):
        rng.choice(
            (
                lambda: write(bench, rng),
                lambda: write(bench, rng),
                lambda: bench.each(lambda store: store.maintain()),
                lambda: bench.each(lambda store: store.flush()),
                lambda: bench.hand_over(rng.choice(PARTITIONS), rng.randrange(workers)),
            )
        )()
        bench.now_ns += rng.randrange(MINUTE_NS)
        averages_are_right(bench, rng, rng.randrange(workers))
        last_values_are_right(bench, rng)
    bench.close()
