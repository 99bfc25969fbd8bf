"""The last values of a measure are those of plain SQL over all rows, whatever has happened to them."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from store.endpoint import WriteRecord
from store.memory import tier
from store.memory.lasts import FOLLOWED_NS, LastValues
from store.record import MeasureType
from tests.support.examples import times
from tests.support.random_life import MINUTE_NS, TABLE, Life, key_of

STEPS = min(150, times(300))


def by_sql(life: Life, measure: str, from_ns: int) -> dict[int, tuple[int, float]]:
    """Series → time and value of its newest row that has the measure."""
    index = life.store.registry.of(TABLE)
    with life.store.snapshot("acme") as snapshot:
        source = snapshot.source(TABLE, time_from_ns=from_ns)
        rows = snapshot.execute(
            f"SELECT sensor, max(time_ns), arg_max({measure}, time_ns) FROM {source} "
            f"WHERE {measure} IS NOT NULL GROUP BY ALL"
        )
    found = zip(*(column.to_pylist() for column in rows.columns), strict=True)
    return {
        series: (time_ns, value)
        for sensor, time_ns, value in found
        if (series := index.find(key_of(int(sensor[1:])))) is not None
    }


def latest(life: Life, measure: str, from_ns: int) -> dict[int, tuple[int, float]]:
    found = life.store.latest(TABLE, measure, from_ns)
    assert found is not None
    return dict(
        zip(found.series.tolist(), zip(found.time_ns.tolist(), found.values.tolist(), strict=True), strict=True)
    )


def are_same(found: dict[int, tuple[int, float]], expected: dict[int, tuple[int, float]]) -> bool:
    """Whether they are equal, also where values are NaN."""
    of_both = [(found[series], expected[series]) for series in found.keys() & expected.keys()]
    return found.keys() == expected.keys() and all(
        one == other or (one[0] == other[0] and math.isnan(one[1]) and math.isnan(other[1])) for one, other in of_both
    )


def check(life: Life, rng: random.Random) -> None:
    """Ask for the last values since some time."""
    known = life.store.measure_types(TABLE)
    from_ns = life.now_ns - rng.choice((MINUTE_NS, 10 * MINUTE_NS, 40 * MINUTE_NS, 86_400_000_000_000))
    for measure in (name for name in ("t", "n") if name in known):
        assert are_same(latest(life, measure, from_ns), by_sql(life, measure, from_ns))


@pytest.mark.parametrize("seed", range(times(4)))
def test_last_values_are_those_of_plain_sql_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(tier, "CHUNK_ROWS", 40)
    rng = random.Random(seed)
    life = Life(tmp_path, rng, (None, "{zone}")[seed % 2])
    life.live(STEPS, lambda: check(life, rng))
    life.store.close()


def test_a_value_that_a_version_removes_is_no_more(tmp_path: Path) -> None:
    life = Life(tmp_path, random.Random(1), None)

    def write(version: int, time_ns: int, *values: tuple[str, MeasureType, float]) -> None:
        life.write_records([WriteRecord(key_of(0).dimensions, "m", time_ns, version, values, None)])

    t, n = ("t", MeasureType.DOUBLE, 1.5), ("n", MeasureType.BIGINT, 7)
    write(1, life.now_ns - 5, t)
    write(2, life.now_ns, t)
    before = latest(life, "t", life.now_ns - MINUTE_NS)
    write(3, life.now_ns, n)

    after = latest(life, "t", life.now_ns - MINUTE_NS)

    assert (before, after) == ({0: (life.now_ns, 1.5)}, {0: (life.now_ns - 5, 1.5)})
    life.store.close()


def test_what_is_followed_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(tmp_path, random.Random(1), None)
    life.publish()
    latest(life, "t", life.now_ns - MINUTE_NS)
    reads: list[int] = []
    take = LastValues.take
    monkeypatch.setattr(
        LastValues,
        "take",
        lambda followed, *given, **options: (reads.append(1) if options else None, take(followed, *given, **options)),
    )
    life.publish()

    found = latest(life, "t", life.now_ns - MINUTE_NS)

    assert are_same(found, by_sql(life, "t", life.now_ns - MINUTE_NS))
    assert not reads
    life.store.close()


def test_what_nobody_asks_for_is_not_followed(tmp_path: Path) -> None:
    life = Life(tmp_path, random.Random(1), None)
    life.publish()
    latest(life, "t", life.now_ns - MINUTE_NS)
    table = life.store.opened(TABLE)
    assert table is not None
    life.store.maintain()
    followed = table.last_bytes

    life.monotonic_ns += FOLLOWED_NS + 1
    life.store.maintain()

    assert (followed > 0, table.last_bytes) == (True, 0)
    life.publish()
    assert are_same(latest(life, "t", life.now_ns - MINUTE_NS), by_sql(life, "t", life.now_ns - MINUTE_NS))
    life.store.close()
