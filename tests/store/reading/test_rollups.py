"""Averages made of rollups are those of plain SQL over the same snapshot, whatever has happened to the rows."""

import math
import random
from pathlib import Path

import pytest

from store.memory import cut_minutes, rollup, tier
from store.reading import averages, cuts, rolled
from store.reading.averages import zone_averages
from store.reading.bins import Bins
from store.reading.rolled import Division
from store.reading.snapshot import Snapshot
from tests.support.examples import times
from tests.support.random_life import MINUTE_NS, TABLE, ZONES, Life

STEPS = 150  # so that a life meets rollups of both grains, and rows that are cut


def by_sql(
    snapshot: Snapshot, zone_of: dict[str, str | None], measures: list[str], from_ns: int, to_ns: int, bins: Bins | None
) -> dict[str, dict[tuple[str, object], tuple[float, ...]]]:
    """The same averages of each measure, by zone and start of the bin; a row is of the zone that its sensor has now."""
    source = snapshot.source(TABLE, time_from_ns=from_ns, time_to_ns=to_ns)
    whens = " ".join(f"WHEN '{sensor}' THEN '{of}'" for sensor, of in zone_of.items())
    zone = f"CASE sensor {whens} END"
    start = "NULL" if bins is None else bins.sql("time_ns", from_ns, to_ns)
    called = ", ".join(called_of(measure) for measure in measures)
    rows = snapshot.execute(f"SELECT {zone} AS of, {start} AS start, {called} FROM {source} GROUP BY ALL")
    found = list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
    parts = {measure: slice(2 + 5 * number, 7 + 5 * number) for number, measure in enumerate(measures)}
    return {measure: {(row[0], row[1]): row[part] for row in found if row[part][3]} for measure, part in parts.items()}


def called_of(measure: str) -> str:
    """Average, least, greatest, count, and the largest of the finite ones without a sign."""
    called = ", ".join(f"{call}({measure})::DOUBLE" for call in ("avg", "min", "max", "count"))
    is_finite = f"NOT isnan({measure}::DOUBLE) AND NOT isinf({measure}::DOUBLE)"
    return f"{called}, max(abs({measure})) FILTER ({is_finite})::DOUBLE"


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
    bins = rng.choice(
        (None, Bins(MINUTE_NS), Bins(5 * MINUTE_NS), Bins(MINUTE_NS // 2), Bins(5 * 10**9), Bins(7 * 10**9))
    )
    if life.store.opened(TABLE) is None:
        return
    zone_of = {dict(key.dimensions)["sensor"]: zone for key, zone in zip(index.keys, index.zones, strict=True)}
    if not zone_of:
        return
    with life.store.snapshot("acme") as snapshot:
        known = {column.name for column in snapshot.schema("farm", "readings").columns}
        measures = [name for name in ("t", "n") if name in known]
        found = zone_averages(snapshot, index, zones, measures, from_ns=from_ns, to_ns=to_ns, bins=bins)
        by_rows = by_sql(snapshot, zone_of, measures, from_ns, to_ns, bins)
        for measure, expected in by_rows.items():
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


@pytest.mark.parametrize("seed", range(times(4)))
def test_averages_are_those_of_plain_sql_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, divisions: list[Division], seed: int
) -> None:
    monkeypatch.setattr(tier, "CHUNK_ROWS", 40)
    if seed == 3:
        monkeypatch.setattr(rollup, "FEW_ROWS", 20)
        monkeypatch.setattr(rolled, "MOST_ROWS", 10)
    if seed == 1:
        monkeypatch.setattr(cut_minutes, "MOST_BYTES", 2_000)
    rng = random.Random(seed)
    life = Life(tmp_path, rng, ("{zone}", "zone", None)[seed % 3])
    life.live(STEPS, lambda: check(life, rng))
    life.store.close()

    pieces = [piece for division in divisions for piece in division.pieces]
    assert {bool(piece.cuts) for piece in pieces} == {True, False}
    assert {piece.grain_ns for piece in pieces} == set(rollup.GRAINS_NS)


def test_rows_of_a_minute_in_which_questions_begin_are_read_once(
    tmp_path: Path, divisions: list[Division], monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path, random.Random(1), "{zone}")
    for _ in range(3):
        life.publish()
    index = life.store.registry.of(TABLE)
    of_zone = {f"z{at}": [of for of, name in enumerate(index.zones) if name == f"z{at}"] for at in range(ZONES)}
    read: list[str] = []
    run = cuts.run
    monkeypatch.setattr(cuts, "run", lambda cursor, sql: (read.append(sql), run(cursor, sql))[1])
    from_ns = life.now_ns + 1_000

    for zone, series in [*of_zone.items(), *of_zone.items()]:
        with life.store.snapshot("acme") as snapshot:
            zone_averages(snapshot, index, {zone: series}, ["t"], from_ns=from_ns, to_ns=from_ns + MINUTE_NS)
        life.store.maintain()

    assert [bool(division.rows) for division in divisions] == [True, *[False] * (2 * ZONES - 1)]
    assert len(read) == 1
    life.store.close()


@pytest.mark.parametrize("template", ["{zone}", "zone", None])
def test_after_a_restart_no_row_is_read_once_the_files_are_rolled_up(
    tmp_path: Path, divisions: list[Division], template: str | None
) -> None:
    life = Life(tmp_path, random.Random(1), template)
    for _ in range(5):
        life.publish()
    life.restart()
    index = life.store.registry.of(TABLE)
    zones = {"z0": [of for of, name in enumerate(index.zones) if name == "z0"]}

    for _ in range(2):
        with life.store.snapshot("acme") as snapshot:
            zone_averages(snapshot, index, zones, ["t"], from_ns=0, to_ns=life.now_ns + MINUTE_NS, bins=Bins(MINUTE_NS))
        life.store.maintain()

    assert [bool(division.rows) for division in divisions] == [True, False]
    life.store.close()
