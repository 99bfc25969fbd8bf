"""Whatever happens to the rows, before or during a statement of any clauses, its result is that over one plain table.

The product's whole way runs: parse, bind, the bounds and columns that are read, both tiers of a snapshot, DuckDB. The
other result is that of a text written beside it (`random_queries`), over the rows that an oracle of writes knows
(`store.testing.Oracle`): so a wrong bound, a column left out, a row lost, doubled or of another moment, a clause bound
to another meaning are found. Not found is what DuckDB computes wrongly in an operator that both texts have.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from store.magnetic.data_files import data_files
from store.memory import tier
from store.reading import lending
from store.reading.borrowed import Borrowed
from store.reading.lending import Lender
from store.sql import SqlRequest, query
from store.testing import ask, duck
from tests.support.examples import times
from tests.support.plain_tables import Answer, comparable, plain_table, values
from tests.support.random_life import SENSORS, ZONES, Life
from tests.support.random_queries import Queries, Statement

LIVES, STEPS = times(6), min(60, times(60))
SPAN_NS = 20 * 60 * 10**9


class Moving(Borrowed):
    """Tables to which something happens each time one of them has been pinned."""

    def __init__(self, life: Life, lender: Lender) -> None:
        super().__init__(lender, duck(), data_files, 1 << 29)
        self._life = life

    def source(self, *given: Any, **options: Any) -> str:
        text = super().source(*given, **options)
        self._life.go_on_beside()
        return text


def moving(life: Life, statement: Statement) -> Answer:
    """The result of a statement while something happens."""
    request = SqlRequest(statement.text.sql, life.now_ns)
    with life.store.lender("acme") as lender, Moving(life, lender) as tables:
        return values(query(tables, request).table)


def still(life: Life, statement: Statement) -> Answer:
    """The result of a statement while nothing happens."""
    return values(ask(life.store, "acme", statement.text.sql, now_ns=life.now_ns).table)


@pytest.mark.parametrize("seed", range(LIVES))
def test_a_statement_has_the_result_of_one_plain_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(tier, "CHUNK_ROWS", 40)
    rng = random.Random(seed)
    zone = ("{sensor}/{zone}", "{zone}")[seed % 2]
    life = Life(tmp_path, rng, zone)
    life.spreads_ns.append(3)
    texts = {
        "sensor": [f"s{of}" for of in range(SENSORS)],
        "zone": [f"z{of}" for of in range(ZONES)],
        "rack": ["k0", "k1", "k9"],
        "zone_name": [zone.format(sensor=f"s{of}", zone=f"z{of % ZONES}") for of in range(6)],
    }
    queries = Queries(rng, '"farm"."readings"', "readings", texts)

    def look() -> None:
        life.publish()  # so that there is a table, with all columns
        monkeypatch.setattr(lending, "FEW_ROWS", rng.choice((0, 20, 10_000)))
        plain.register("given", plain_table(life.rows(), zone))
        plain.execute("CREATE OR REPLACE TABLE readings AS FROM given")
        queries.now_ns, queries.from_ns = life.now_ns, life.now_ns - SPAN_NS
        for answer in (still, still, moving):
            statement = queries.statement()
            expected = comparable(plain.execute(statement.text.plain).fetchall(), statement)
            found = comparable(answer(life, statement), statement)
            assert found == expected, statement.text

    with duckdb.connect() as plain:
        life.live(STEPS, look)
    life.store.close()
