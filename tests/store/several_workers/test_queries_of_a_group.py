"""Statements on any worker of a group have the results of one plain table, also of partial aggregates."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from workers_bench import PARTITIONS, RETENTION, TABLE, Asked, Bench, partition_of

from store.catalog.catalog import TableSettings
from store.magnetic.data_files import data_files
from store.memory import tier
from store.reading import partials
from store.reading.borrowed import Borrowed
from store.record import SeriesKey
from store.sql import SqlRequest, query
from store.testing import Row, deep_stack, duck
from tests.support.examples import times
from tests.support.plain_tables import Answer, comparable, plain_table, values
from tests.support.random_queries import MERGED, Queries

MINUTE_NS = 60_000_000_000
SENSORS, ZONES = 12, 3
ZONE = "{zone}"
TEMPLATES = {("d", "t"): TableSettings(RETENTION, from_config=True, zone=ZONE)}
TEXTS = {
    "sensor": [f"s{of}" for of in range(SENSORS)],
    "zone": [f"z{of}" for of in range(ZONES)],
    "rack": ["k0", "k1", "k9"],
    "zone_name": [f"z{of}" for of in range(ZONES + 1)],
}


class Counting(Borrowed):
    """Tables that count how often owners sent partial aggregates."""

    merged = 0

    def partials(self, *given: Any, **options: Any) -> str | None:
        text = super().partials(*given, **options)
        Counting.merged += text is not None
        return text


def result(bench: Bench, worker: int, sql: str) -> Answer:
    with (
        deep_stack(),
        Asked(bench, worker).lender(TABLE.account) as lender,
        Counting(lender, duck(), data_files, 1 << 29) as tables,
    ):
        return values(query(tables, SqlRequest(sql, bench.now_ns)).table)


def values_of(rng: random.Random, *, by_version: bool) -> Iterator[tuple[str, float | int | str]]:
    """Of one row; what is NULL is left out. A NaN does not come twice, because it is not the same then."""
    if rng.random() < 0.9:
        special = (0.0 if by_version else math.nan, -0.0, 1e30)
        yield "t", rng.choice(special) if rng.random() < 0.1 else rng.uniform(-50, 50)
    if rng.random() < 0.7:
        yield "n", rng.randrange(-(2**50), 2**50)
    if rng.random() < 0.3:
        yield "note", rng.choice("abc")


def write(bench: Bench, rng: random.Random) -> None:
    """Rows of some sensors, late ones among them; some come again, with other values or higher versions."""
    rows, by_version = {}, rng.random() < 0.3
    for _ in range(rng.randrange(1, 60)):
        sensor = rng.randrange(SENSORS)
        late_ns = rng.choice((0, 0, 0, rng.randrange(10 * MINUTE_NS)))
        time_ns = (bench.now_ns - late_ns) // 1_000 * 1_000 + rng.randrange(3)
        rack = (("rack", f"k{sensor % 2}"),) if sensor % 4 < 2 else ()
        dimensions = (*rack, ("sensor", f"s{sensor}"), ("zone", f"z{sensor % ZONES}"))
        row = Row(
            dimensions, time_ns, tuple(values_of(rng, by_version=by_version)), rng.randrange(1, 4) if by_version else 1
        )
        if row.values:
            rows[row.key] = row
            index = bench.owners[partition_of(row)].registry.of(TABLE)
            index.id_of(SeriesKey(dimensions, row.measure_name), f"z{sensor % ZONES}")
    bench.write(list(rows.values()), by_version)


def go_on(bench: Bench, rng: random.Random, workers: int) -> None:
    """Something happens."""

    def pass_time() -> None:
        bench.now_ns += rng.randrange(2 * MINUTE_NS)

    rng.choice(
        (
            *(lambda: write(bench, rng),) * 4,
            pass_time,
            lambda: bench.each(lambda store: store.maintain()),
            lambda: rng.choice(list(bench.owners.values())).flush(),
            lambda: bench.hand_over(rng.choice(PARTITIONS), rng.randrange(workers)),
        )
    )()
    bench.settle()


@pytest.mark.parametrize("seed", range(times(3)))
def test_a_statement_on_any_worker_has_the_result_of_one_plain_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(tier, "CHUNK_ROWS", 40)
    monkeypatch.setattr(partials, "WORTH", seed % 2)  # also where rows would be fewer
    monkeypatch.setattr(Counting, "merged", 0)
    rng = random.Random(seed)
    bench = Bench(str(tmp_path / "magnetic"), 2, TEMPLATES)
    queries = Queries(rng, f'"{TABLE.database}"."{TABLE.table}"', "readings", TEXTS, merged=(*MERGED, "sum({0}n)"))
    for _ in range(3):
        write(bench, rng)
    with duckdb.connect() as plain:
        for _ in range(min(30, times(50))):
            go_on(bench, rng, 2)
            visible_ns = bench.now_ns - RETENTION.days * 86_400 * 10**9
            plain.register("given", plain_table(bench.oracles[TABLE].visible(visible_ns), ZONE))
            plain.execute("CREATE OR REPLACE TABLE readings AS FROM given")
            queries.now_ns, queries.from_ns = bench.now_ns, bench.now_ns - 20 * MINUTE_NS
            for _ in range(2):
                statement = queries.statement()
                expected = comparable(plain.execute(statement.text.plain).fetchall(), statement)
                found = comparable(result(bench, rng.randrange(2), statement.text.sql), statement)
                assert found == expected, statement.text
    bench.close()

    assert Counting.merged
