"""A query ends when its time is over, whatever DuckDB is doing then."""

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from store.duck import Cursor, Duck, run
from store.errors import QueryFailed, QueryTimeout

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b"
LONG_TO_PLAN = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE " + " OR ".join(
    f"a.range % {n} = b.range % {n + 1}" for n in range(2, 400)
)
MAKES_ROWS = "SELECT a.range AS x, 'text ' || b.range AS y FROM range(1000000) a, range(1000000) b LIMIT 400000000"


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[Cursor]:
    duck = Duck(tmp_path, 1 << 28)
    cursor = duck.cursor()
    yield cursor
    cursor.close()
    duck.close()


@pytest.mark.parametrize("timeout_s", [0.0, 0.0001, 0.001, 0.01, 0.1])
@pytest.mark.parametrize("sql", [ENDLESS, LONG_TO_PLAN, MAKES_ROWS])
def test_a_timeout_is_obeyed_also_before_execution_and_while_rows_are_made(
    cursor: Cursor, sql: str, timeout_s: float
) -> None:
    started = time.monotonic()
    with pytest.raises(QueryTimeout, match=f"after {timeout_s:g} s"):
        run(cursor, sql, timeout_s=timeout_s)

    assert time.monotonic() - started < 10
    assert run(cursor, "SELECT 7 AS x", timeout_s=5.0).to_pylist() == [{"x": 7}]


def test_an_error_of_the_query_is_not_a_timeout(cursor: Cursor) -> None:
    with pytest.raises(QueryFailed, match="nowhere"):
        run(cursor, "SELECT * FROM nowhere", timeout_s=5.0)


def test_parameters_travel_with_a_timeout(cursor: Cursor) -> None:
    assert run(cursor, "SELECT ? + 1 AS x", [6], timeout_s=5.0) == pa.table({"x": pa.array([7], pa.int32())})
