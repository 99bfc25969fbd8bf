"""Queries in processes: the same answers as in process, limits that end one query and nothing else, no process left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pyarrow as pa
import pytest

from store import errors as store_errors
from store.catalog.catalog import TableSettings
from store.endpoint import WriteRecord, decode_write, encode_write
from store.endpoint.rows import parts, rows_of
from store.engine.interruption import Interruption, StopReason
from store.errors import PartitionSilent, QueryCancelled
from store.processes.job import Job
from store.processes.limits import MIB, QueryLimits
from store.processes.pool import QueryProcesses
from store.processes.process import REST_S, giving_way
from store.reading import lending
from store.reading.lending import Lend
from store.record import MeasureType, TableId
from store.sql import ResultSet, SqlRequest
from store.sql.errors import LimitExceeded, NameNotFound, QueryEnded, QueryFailed, QueryTimedOut, SqlError
from store.testing import LocalExecutor
from tests.support.lone_store import PARTITION, LoneStore, open_store
from tests.support.tables import evict_sealed
from tests.support.waiting import wait_for

pytestmark = pytest.mark.processes

NOW_NS = 1_790_000_000_000_000_000
S = 10**9
ROWS = 3_000
LIMITS = QueryLimits(memory_bytes=128 * MIB, result_bytes=16 * MIB)
VALUES = f"(SELECT x FROM (VALUES {', '.join(map(str, range(1000)))}) AS v(x))"
ENDLESS = f"SELECT count(*) FROM {VALUES} a, {VALUES} b, {VALUES} c, {VALUES} d WHERE a.x + b.x > c.x + d.x"


def write(store: LoneStore, account: str, offset: int, rows: range, value: float = 0.0) -> None:
    records = [
        WriteRecord(
            (("host", f"h{n % 7}"),),
            "m",
            NOW_NS - n * S,
            1 + int(value),
            (("t", MeasureType.DOUBLE, n + value), ("n", MeasureType.BIGINT, n), ("s", MeasureType.VARCHAR, f"é{n}")),
        )
        for n in rows
    ]
    store.apply(decode_write(encode_write("db", "t", records), account, store.registry, PARTITION, offset, NOW_NS))
    store.advance(PARTITION, offset)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneStore]:
    """Rows in files and in RAM, some of them twice; and rows of another account."""
    made = open_store(tmp_path_factory.mktemp("store"), templates={}, clock_ns=lambda: NOW_NS)
    for account in ("a", "b"):
        made.catalog.create_database(account, "db")
        made.catalog.create_table(TableId(account, "db", "t"), TableSettings())
    write(made, "a", 0, range(ROWS))
    made.flush()
    write(made, "a", 1, range(ROWS - 10, ROWS + 500), value=1.0)
    write(made, "b", 2, range(5))
    yield made
    made.close()


@pytest.fixture(scope="module")
def pool(store: LoneStore) -> Iterator[QueryProcesses]:
    made = QueryProcesses(store.whole.readable, LIMITS, ["store.endpoint.rows"])
    yield made
    made.close()


def run(
    executor: QueryProcesses | LocalExecutor, store: LoneStore, text: str, account: str = "a", **options: int
) -> list[bytes]:
    job = Job(SqlRequest(text, NOW_NS, **options), parts)  # type: ignore[arg-type]  # of one kind in each test
    with store.lender(account) as lender, executor.run(lender, job) as answer:
        found = rows_of(answer.parts, 2**30)
    assert found is not None
    page = found.page(0, None)
    assert page.count == len(found)
    return list(map(bytes, msgspec.json.decode(page.rows, type=list[msgspec.Raw])))


def works(pool: QueryProcesses, store: LoneStore) -> bool:
    return run(pool, store, "SELECT 7 AS x") == [b'{"Data":[{"ScalarValue":"7"}]}']


@pytest.mark.parametrize("few_rows", [lending.FEW_ROWS, -1], ids=["from RAM", "from files and RAM"])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*), sum(t), min(s), count(DISTINCT host) FROM db.t",
        "SELECT host, max_by(s, time) FROM db.t WHERE time > ago(20m) AND host IN ('h1', 'h3') GROUP BY 1 ORDER BY 1",
        "SELECT * FROM db.t WHERE n BETWEEN 2985 AND 2995 ORDER BY n",
        "SELECT a.n FROM db.t a JOIN db.t b ON a.n = b.n + 1 WHERE a.host = 'h2' AND b.t > 3400 ORDER BY 1",
        "SELECT bin(time, 10m) AS b, avg(t) FROM db.t GROUP BY 1 ORDER BY 1",
        "SELECT t FROM db.t WHERE time < ago(3400s) ORDER BY 1",
        "SELECT time FROM db.t LIMIT 0",
        "SHOW TABLES",
        "DESCRIBE db.t",
        "SHOW MEASURES FROM db.t",
    ],
)
def test_a_process_answers_as_this_one(
    pool: QueryProcesses, store: LoneStore, monkeypatch: pytest.MonkeyPatch, text: str, few_rows: int
) -> None:
    local = LocalExecutor(store.whole.readable)
    expected = run(local, store, text)
    monkeypatch.setattr(lending, "FEW_ROWS", few_rows)

    assert run(pool, store, text) == expected
    assert bool(expected) == ("LIMIT 0" not in text)
    local.close()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (f"SELECT a.x, b.x, c.x FROM {VALUES} a, {VALUES} b, {VALUES} c", LimitExceeded, "larger than 16 MiB"),
        (f"SELECT a.x FROM {VALUES} a, {VALUES} b, {VALUES} c ORDER BY a.x + b.x", LimitExceeded, "more than 128 MiB"),
        ("SELECT 1 / x FROM (VALUES 1, 0) AS v(x)", QueryFailed, "Division by zero"),
        ("SELECT nothing FROM db.t", NameNotFound, "line 1:8: Column 'nothing' does not exist"),
        ("SELECT 1 FROM db.none", NameNotFound, "none"),
        ("SELECT n FROM db.t", LimitExceeded, "more than 100 rows"),
    ],
)
def test_an_error_is_the_querys_and_the_next_query_works(
    pool: QueryProcesses, store: LoneStore, text: str, error: type[SqlError], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(pool, store, text, max_rows=100 if "db.t" in text else 10**9, is_cut=False)

    assert works(pool, store)


def hungry(result: ResultSet) -> Iterator[bytes]:
    """An encoder that takes memory as Python does: past every limit of DuckDB."""
    taken = []
    while True:
        taken.append(bytes(8 * MIB))
        yield b""


def internal_error(result: ResultSet) -> Iterator[bytes]:
    """After such an error DuckDB refuses every further query."""
    raise QueryFailed("of its own") from store_errors.QueryFailed("INTERNAL Error: of its own")


def fault(result: ResultSet) -> Iterator[bytes]:
    raise KeyError("of ours")


@pytest.mark.parametrize(
    ("encode", "error", "words"),
    [
        (hungry, LimitExceeded, "needs more than 128 MiB of memory"),
        (internal_error, QueryFailed, "of its own"),
        (fault, RuntimeError, "KeyError: 'of ours'"),
    ],
)
def test_a_process_with_a_fault_ends_and_not_the_worker(
    store: LoneStore,
    monkeypatch: pytest.MonkeyPatch,
    encode: Callable[[ResultSet], Iterator[bytes]],
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pool = QueryProcesses(store.whole.readable, LIMITS, [__name__, "store.endpoint.rows"])
    job = Job(SqlRequest("SELECT 1", NOW_NS), encode)

    with pytest.raises(error, match=words), store.lender("a") as lender, pool.run(lender, job) as answer:
        list(answer.parts)

    assert encode is hungry or pool.pids() == []  # Python may have noticed by itself, and given the memory back
    assert works(pool, store)
    pool.close()


@pytest.mark.parametrize(
    ("reason", "error"), [(StopReason.TIMEOUT, QueryTimedOut), (StopReason.CANCELLED, QueryCancelled)]
)
def test_what_must_end_ends_whatever_it_is_in(
    pool: QueryProcesses, store: LoneStore, reason: StopReason, error: type[Exception]
) -> None:
    may_end = Interruption(60)
    timer = threading.Timer(0.1, may_end.stop, [reason])
    timer.start()

    with pytest.raises(error), may_end:
        run(pool, store, ENDLESS)

    timer.join()
    assert works(pool, store)


def test_lending_many_rows_gives_way_to_the_stream() -> None:
    clock = iter([0.0, 0.002, 0.002, 0.004, 0.004, 0.104])
    rests: list[float] = []
    batches = [pa.record_batch({"n": [number]}) for number in range(3)]

    given = list(giving_way(batches, lambda: next(clock, 0.104), rests.append))

    assert given == batches
    assert rests == [pytest.approx(0.002), REST_S]


def stuck(result: ResultSet) -> Iterator[bytes]:
    """One call in C that no interruption reaches, and that would take years."""
    re.fullmatch("(a+)+b", "a" * 90)
    yield b""


def test_a_process_inside_one_long_function_is_killed(store: LoneStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pool = QueryProcesses(store.whole.readable, LIMITS, [__name__, "store.endpoint.rows"])
    assert works(pool, store)
    (process,) = pool._idle

    job = Job(SqlRequest("SELECT 1", NOW_NS), stuck)
    with (
        pytest.raises(QueryTimedOut),
        Interruption(0.5),
        store.lender("a") as lender,
        pool.run(lender, job) as answer,
    ):
        list(answer.parts)

    wait_for(lambda: not psutil.pid_exists(process.pid), "it is dead")
    assert works(pool, store)
    pool.close()


def test_a_process_that_is_killed_in_a_query_fails_that_query_alone(pool: QueryProcesses, store: LoneStore) -> None:
    assert works(pool, store)
    failures: list[Exception] = []

    def ask() -> None:
        try:
            run(pool, store, ENDLESS)
        except SqlError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: bool(pool._busy), "it runs")
    (busy,) = pool._busy
    os.kill(busy.pid, signal.SIGKILL)
    asking.join(60)

    assert [type(failure) for failure in failures] == [QueryEnded]
    assert works(pool, store)


def test_a_process_that_died_while_it_had_no_query_is_not_used(pool: QueryProcesses, store: LoneStore) -> None:
    assert works(pool, store)
    for process in pool._idle:
        os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not any(process.is_alive() for process in pool._idle), "they are dead")

    assert works(pool, store)


def test_the_forker_is_started_again(store: LoneStore) -> None:
    pool = QueryProcesses(store.whole.readable, LIMITS, ["store.endpoint.rows"])
    assert works(pool, store)
    pool._forker._process.kill()
    pool._forker._process.wait()
    wait_for(lambda: not any(process.is_alive() for process in pool._idle), "its processes end with it")

    assert works(pool, store)
    pool.close()


def test_a_process_sees_its_own_account_only(pool: QueryProcesses, store: LoneStore) -> None:
    """Also one that another account has used before."""
    count = "SELECT count(*) FROM db.t"

    assert [run(pool, store, count, account) for account in ("a", "b", "a")] == [
        [b'{"Data":[{"ScalarValue":"%d"}]}' % rows] for rows in (ROWS + 500, 5, ROWS + 500)
    ]
    with pytest.raises(NameNotFound):
        run(pool, store, count, "c")


def test_an_error_of_the_lender_arrives_as_it_is(pool: QueryProcesses, store: LoneStore) -> None:
    job = Job(SqlRequest("SELECT n FROM db.t", NOW_NS), parts)

    with (
        pytest.raises(PartitionSilent, match="no response for"),
        store.whole.lender("a", lambda *_: []) as lender,
        pool.run(lender, job),
    ):
        pass

    assert works(pool, store)


WORKER = """
import sys, time
from pathlib import Path
from store.processes.job import QueryLimits
from store.processes.pool import QueryProcesses
pool = QueryProcesses(Path(sys.argv[1]), QueryLimits())
processes = [pool._take() for _ in range(2)]
print(*pool.pids(), pool._forker._process.pid, flush=True)
time.sleep(600)
"""


def test_no_process_outlives_its_worker(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        pids = [int(word) for word in worker.stdout.readline().split()]
        assert len(pids) == 3
        worker.kill()

    wait_for(lambda: not any(is_running(pid) for pid in pids), "all of them end")


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_tables_are_given_back_before_the_client_has_read_the_result(
    pool: QueryProcesses, store: LoneStore
) -> None:
    """Else a client that reads slowly would keep rows in RAM, and versions of the table."""
    table = store.to_read(TableId("a", "db", "t"))
    job = Job(SqlRequest("SELECT * FROM db.t", NOW_NS), parts)

    with store.lender("a") as lender, pool.run(lender, job) as answer:
        assert not any(chunk.pins for chunk in table._core.memory.chunks)
        assert len(b"".join(answer.parts)) > 10_000


def test_only_the_columns_that_a_query_uses_are_lent(store: LoneStore) -> None:
    with store.lender("a") as lender:
        lent = lender.lend(Lend("db", "t", NOW_NS - 100 * S, None, {"host": ["h1"]}, ["n", "time_ns"]))
        (rows,) = lent.rows
        table = pa.Table.from_batches(rows.batches, rows.schema)

    assert sorted(table["n"].to_pylist()) == [n for n in range(101) if n % 7 == 1]
    assert not {"t", "s", "host", "measure_name"}.intersection(table.column_names)


@pytest.mark.parametrize("is_in_ram", [True, False])
def test_a_damaged_file_that_a_process_finds_is_removed_at_once_and_the_query_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_in_ram: bool
) -> None:
    """The worker has not looked at it; what RAM still has is written again, the rest is said to be lost."""
    monkeypatch.setattr(lending, "FEW_ROWS", -1)
    store = open_store(tmp_path, templates={}, clock_ns=lambda: NOW_NS)
    store.catalog.create_database("a", "db")
    store.catalog.create_table(TableId("a", "db", "t"), TableSettings())
    for offset in range(3):
        write(store, "a", offset, range(offset * 100, offset * 100 + 100))
        store.flush()
    (used,) = store.all_tables()
    if not is_in_ram:
        used.close_chunk(0)
        used.seal()
        evict_sealed([used])
    path = tmp_path / "magnetic/a/db/t" / used.files()[1].path
    data = bytearray(path.read_bytes())
    data[50:90] = bytes(40)
    path.write_bytes(data)
    pool = QueryProcesses(store.whole.readable, LIMITS, ["store.endpoint.rows"])

    (counted,) = run(pool, store, "SELECT count(*), (SELECT count(*) FROM db.t WHERE n < 50) FROM db.t")

    rows = 300 if is_in_ram else 200
    assert counted == b'{"Data":[{"ScalarValue":"%d"},{"ScalarValue":"50"}]}' % rows
    assert ("written again" in caplog.text, "100 rows of a/db.t" in caplog.text) == (is_in_ram, not is_in_ram)
    assert not path.exists()
    assert path not in {tmp_path / "magnetic/a/db/t" / file.path for file in used.files()}
    pool.close()
    store.close()


def test_a_process_cannot_have_a_sound_file_removed(store: LoneStore) -> None:
    (used,) = (table for table in store.all_tables() if table.id.account == "a")
    files = used.files()
    with store.lender("a") as lender:
        assert not lender.drop_damaged("db", "t", files[0].path)
        assert lender.drop_damaged("db", "t", "date=2020-01-01/none.parquet")

    assert used.files() == files
