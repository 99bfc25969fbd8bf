"""What rollups answer in SQL is what DuckDB answers over the rows of the same snapshot."""

import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.memory import tier
from store.reading import rolled_up
from store.reading.scan import Selection
from store.reading.snapshot import Snapshot
from store.reading.statistics import counted
from store.sql import ResultSet, SqlRequest, from_summaries
from store.sql.parse import parse
from store.sql.select import Binder
from store.sql.text import QueryText
from tests.support.examples import times
from tests.support.random_life import MINUTE_NS, TABLE, ZONES, Life

STEPS = 80
FROM = f'FROM "{TABLE.database}"."{TABLE.table}"'
TEMPLATES = ("{zone}", "zone", None)


class Calm(Life):
    """No row replaces another, and all have the measure t."""

    def write(self) -> None:
        self.publish()

    def _values(self) -> Iterator[tuple[str, float | int | str]]:
        yield from {"t": 1.5, **dict(super()._values())}.items()


def by_rows(snapshot: Snapshot, sql: str, now_ns: int) -> list[tuple[object, ...]]:
    """The rows of the result, without rollups."""
    bound = Binder(QueryText(sql), snapshot, now_ns).bind(parse(QueryText(sql)))  # type: ignore[arg-type]
    return rows_of(snapshot.execute(bound.sql))


def rows_of(table: object) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))  # type: ignore[attr-defined]


def is_near(found: object, expected: object) -> bool:
    """Whether two values differ only by the order of additions; infinite and huge values cancel out others."""
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(found) and math.isnan(expected))
    return found == expected


def statement(rng: random.Random, now_ns: int) -> str:
    """Some aggregates of zones, groups of them, or all."""
    width = rng.choice(("1m", "5m", "2h", "10s", "30s"))
    zone = rng.choice(("zone", "zone_name"))
    keys = rng.sample([f"bin(time, {width})", zone], rng.choice((0, 1, 1, 2)))
    calls = rng.sample(["min(t)", "max(t)", "count(t)", "count(*)", "round(min(t), 1) + 1", "avg(t)", "sum(t)"], 3)
    conditions = rng.sample(
        [
            f"time >= from_nanoseconds({now_ns - rng.randrange(30 * MINUTE_NS)})",
            f"time < from_nanoseconds({now_ns - rng.randrange(5 * MINUTE_NS)})",
            f"time BETWEEN ago({rng.randrange(1, 40)}m) AND now()",
            f"{zone} = 'z{rng.randrange(ZONES + 1)}'",
            f"{zone} IN ('z0', 'z{rng.randrange(ZONES)}')",
        ],
        rng.choice((0, 1, 1, 2)),
    )
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    group = f" GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}" if keys else ""
    having = rng.choice(("", "", " HAVING count(t) > 3")) if keys else ""
    return f"SELECT {', '.join([*keys, *calls])} {FROM}{where}{group.replace(' ORDER', having + ' ORDER')}"


@pytest.mark.parametrize("seed", range(times(2)))
def test_answers_are_those_of_the_rows_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(tier, "CHUNK_ROWS", 40)
    rng = random.Random(seed)
    is_calm = seed % 3 < 2
    life = (Calm if is_calm else Life)(tmp_path, rng, TEMPLATES[seed % 3])
    answered, is_due = 0, False
    for _ in range(STEPS):
        life.go_on()
        if rng.random() > 0.6 or life.store.opened(TABLE) is None:
            continue
        if is_due:
            life.store.maintain()
        sql = statement(rng, life.now_ns)
        with life.store.snapshot("acme") as snapshot:
            if "t" not in {column.name for column in snapshot.schema("farm", "readings").columns}:
                continue
            found = from_summaries(snapshot, SqlRequest(sql, life.now_ns))
            if found is None:
                is_due = True
                continue
            answered += 1
            expected = by_rows(snapshot, sql, life.now_ns)
        rows = rows_of(found.table)
        assert len(rows) == len(expected), sql
        for row, other in zip(rows, expected, strict=True):
            is_huge = any(isinstance(value, float) and not abs(value) < 1e200 for value in other)
            assert is_huge or all(map(is_near, row, other)), sql
    life.store.close()

    assert answered > 3 or not is_calm


@pytest.mark.parametrize("seed", range(times(2)))
def test_counts_and_times_are_those_of_the_rows_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(tier, "CHUNK_ROWS", 40)
    rng = random.Random(seed)
    is_calm = seed % 2 == 0
    life = (Calm if is_calm else Life)(tmp_path, rng, TEMPLATES[seed % 3])
    if not is_calm:
        life.spreads_ns.append(3)
    counted_rows = 0
    for step in range(STEPS):
        life.go_on()
        if step % 3 or (table := life.store.opened(TABLE)) is None:
            continue
        table.newest().data.check_next(table.newest().version.files)
        bounds = [
            f"time {sign} from_nanoseconds({life.now_ns - rng.randrange(30 * MINUTE_NS)})" for sign in (">=", "<")
        ]
        where = " AND ".join(rng.sample(bounds, rng.randrange(3)))
        asked = ["count(*)", "min(time)", "max(time)", "count(t)", "min(n)", "max(n)"]
        sql = f"SELECT {', '.join(rng.sample(asked, 4))} {FROM}{' WHERE ' if where else ''}{where}"
        with life.store.snapshot("acme") as snapshot:
            found = from_summaries(snapshot, SqlRequest(sql, life.now_ns))
            assert found is not None
            assert rows_of(found.table) == by_rows(snapshot, sql, life.now_ns), sql
            view = snapshot._view(*snapshot._ask(TABLE, Selection(), ()))
            measures = [column for column in view.schema.columns if column.name in {"t", "n"}]
            counted_rows += counted(view, Selection(), measures).rows
    life.store.close()

    assert counted_rows or not is_calm


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """A table with rollups of the measure t."""
    life = Calm(tmp_path_factory.mktemp("rolled"), random.Random(1), "{zone}")
    for _ in range(3):
        life.publish()
    for _ in range(2):
        ask(life, f"SELECT avg(t) {FROM}")
        life.store.maintain()
    return life


def ask(life: Life, sql: str) -> ResultSet | None:
    with life.store.snapshot("acme") as snapshot:
        return from_summaries(snapshot, SqlRequest(sql, life.now_ns, max_rows=10))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT avg(t) FROM farm.readings",
        "select AVG(t) as x, zone from farm.readings group by zone order by x desc limit 2",
        "SELECT bin(time, 1m) AS time, round(avg(t) * 9 / 5 + 32, 2) FROM farm.readings WHERE zone = 'z1' GROUP BY 1",
        "SELECT bin(time, 2h), avg(t) FROM farm.readings WHERE time BETWEEN ago(9m) AND ago(-5m) GROUP BY 1",
        "SELECT zone, avg(t) FROM farm.readings GROUP BY zone HAVING count(*) > 0 AND max(t) > -1e9 ORDER BY avg(t)",
        "SELECT sum(t), zone AS z FROM farm.readings WHERE time < now() GROUP BY 2",
        "SELECT zone_name, min(t) FROM farm.readings WHERE zone_name = 'z1' AND time < now() GROUP BY zone_name",
        "SELECT max(t) FROM farm.readings WHERE zone = 'nowhere'",
        "SELECT count(*), min(time), max(time) AS last FROM farm.readings WHERE time > ago(1h)",
        "SELECT date_trunc('hour', time), avg(t) FROM farm.readings GROUP BY 1",
        "SELECT r.zone, avg(r.t) FROM farm.readings AS r GROUP BY r.zone",
    ],
)
def test_rollups_answer(rolled: Life, sql: str) -> None:
    assert ask(rolled, sql) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT avg(n) FROM farm.readings",  # whole numbers are exact
        "SELECT avg(t), count(zone) FROM farm.readings",
        "SELECT avg(t), max(zone) FROM farm.readings",
        "SELECT avg(t), max(time) FROM farm.readings",
        "SELECT avg(t), max_by(zone, time) FROM farm.readings",
        "SELECT avg(t + 1) FROM farm.readings",
        "SELECT stddev(t), avg(t) FROM farm.readings",
        "SELECT avg(t) FILTER (WHERE zone = 'z1') FROM farm.readings",
        "SELECT avg(t) FROM farm.readings WHERE t > 0",
        "SELECT avg(t) FROM farm.readings WHERE zone = 'z1' OR zone = 'z2'",
        "SELECT avg(t) FROM farm.readings WHERE zone <> 'z1'",
        "SELECT avg(t) FROM farm.readings WHERE sensor = 's1'",  # a part of a zone
        "SELECT avg(t) FROM farm.readings WHERE measure_name = 'm'",
        "SELECT avg(t), sensor FROM farm.readings GROUP BY sensor",
        "SELECT avg(t), time FROM farm.readings GROUP BY time",
        "SELECT bin(time, 1m) AS time, avg(t) FROM farm.readings GROUP BY time",
        "SELECT bin(time, 12s), avg(t) FROM farm.readings GROUP BY 1",
        "SELECT avg(t) FROM farm.readings GROUP BY ROLLUP (zone)",
        "SELECT DISTINCT avg(t) FROM farm.readings GROUP BY zone",
        "SELECT avg(t) OVER () FROM farm.readings",
        "SELECT avg(a) FROM farm.readings AS r(a, b, c, d, e, f, g, h)",
        "SELECT avg(t) FROM (SELECT t FROM farm.readings)",
        "SELECT avg(t) FROM farm.readings UNION ALL SELECT 1e0",
        "SELECT avg(t), wrong FROM farm.readings",
        "SELECT avg(t) FROM farm.nothing",
        "SELECT avg(t), zone FROM farm.readings",
        "SELECT avg(t) FROM",
    ],
)
def test_whatever_else_is_left_to_the_slow_path(rolled: Life, sql: str) -> None:
    assert ask(rolled, sql) is None


def test_only_what_is_read_of_rollups_counts_against_a_question(rolled: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolled_up, "MOST_SLOTS", 2)

    assert ask(rolled, f"SELECT avg(t) {FROM} WHERE zone = 'z1' AND time >= ago(1m)") is not None
    assert ask(rolled, f"SELECT avg(t) {FROM}") is None


def test_a_row_that_lacks_the_measure_makes_groups_that_rollups_do_not_have(rolled: Life) -> None:
    sql = f"SELECT zone, avg(t) {FROM} GROUP BY zone"
    assert ask(rolled, sql) is not None
    Life.write(rolled)

    assert ask(rolled, sql) is None
