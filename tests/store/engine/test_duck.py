"""A query ends after its timeout or when it is cancelled, in every phase of DuckDB's work."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from store.engine.duck import Cursor, Duck, run
from store.engine.interruption import Interruption, StopReason
from store.errors import QueryCancelled, QueryFailed, QueryTimeout

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


def test_closing_waits_for_a_query_that_is_just_ending(tmp_path: Path) -> None:
    duck = Duck(tmp_path, 1 << 28)
    cursor, begun, ended = duck.cursor(), threading.Event(), []

    def query() -> None:
        begun.set()
        try:
            run(cursor, ENDLESS)
        except Exception:  # noqa: BLE001  # where closing came first, DuckDB's own
            ended.append(True)

    running, closing = threading.Thread(target=query), threading.Thread(target=duck.close)
    running.start()
    begun.wait()
    closing.start()
    while running.is_alive():
        with contextlib.suppress(Exception):  # it is closed already
            cursor.interrupt()
        running.join(0.05)
    closing.join()

    assert ended == [True]
    with pytest.raises(Exception, match=r"[Cc]losed"):
        duck.cursor()


@pytest.mark.parametrize("timeout_s", [0.0, 0.0001, 0.001, 0.01, 0.1])
@pytest.mark.parametrize("sql", [ENDLESS, LONG_TO_PLAN, MAKES_ROWS])
def test_a_timeout_is_obeyed_also_before_execution_and_while_rows_are_made(
    cursor: Cursor, sql: str, timeout_s: float
) -> None:
    started = time.monotonic()
    with Interruption(timeout_s), pytest.raises(QueryTimeout, match=f"longer than {timeout_s:g} s"):
        run(cursor, sql)

    assert time.monotonic() - started < 10
    with Interruption(5.0):
        assert run(cursor, "SELECT 7 AS x").to_pylist() == [{"x": 7}]


@pytest.mark.parametrize("sql", [ENDLESS, MAKES_ROWS])
def test_a_query_that_is_cancelled_by_another_thread_ends(cursor: Cursor, sql: str) -> None:
    """The error says that it was cancelled, not that it timed out."""
    stop = Interruption(timeout_s=600)
    other = threading.Timer(0.05, stop.stop, [StopReason.CANCELLED])
    other.start()

    with stop, pytest.raises(QueryCancelled):
        run(cursor, sql)

    other.join()
    assert run(cursor, "SELECT 7 AS x").to_pylist() == [{"x": 7}]


def test_what_is_cancelled_before_it_begins_does_not_begin(cursor: Cursor) -> None:
    stop = Interruption()
    stop.stop(StopReason.HANG_UP)

    with stop, pytest.raises(QueryCancelled):
        run(cursor, "SELECT * FROM nowhere")


def test_an_error_of_the_query_is_not_a_timeout(cursor: Cursor) -> None:
    with Interruption(5.0), pytest.raises(QueryFailed, match="nowhere"):
        run(cursor, "SELECT * FROM nowhere")


def test_parameters_travel_with_a_timeout(cursor: Cursor) -> None:
    with Interruption(5.0):
        assert run(cursor, "SELECT ? + 1 AS x", [6]) == pa.table({"x": pa.array([7], pa.int32())})
