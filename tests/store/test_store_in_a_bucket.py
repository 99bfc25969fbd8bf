"""A store with its magnetic tier in a bucket satisfies the same laws as in a folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from pipeline.api.http.results import parts
from store import layout
from store.catalog.catalog import TableSettings
from store.errors import MagneticTierError, MagneticUnavailable, UnknownTable
from store.objects.location import S3Location, locate
from store.objects.objects import open_objects
from store.objects.outage import BACKOFF
from store.processes.job import Job
from store.processes.limits import QueryLimits
from store.processes.pool import QueryProcesses
from store.record import Outcome, TableId
from store.sequence import OFFSET_BITS
from store.sql import SqlRequest
from store.table.vacuum import KEEP_NS
from store.testing import Oracle, Row, batch_of
from store.upkeep import FLUSH_AFTER_NS
from tests.support.lone_store import LoneStore, open_store
from tests.support.s3_server import S3Server

T0 = 1_795_000_000_000_000_000
DAY_NS = 86_400_000_000_000
HOUR_NS = 3_600_000_000_000
FIRST_WAIT_NS = int(BACKOFF.first_s * 1e9)
PARTITION = "0123/readings/0"
SETTINGS = TableSettings(timedelta(days=1), timedelta(days=8), from_config=True)
TABLE = TableId("farm ~7", "d", "t")  # a name that must be encoded in keys
Opener = Callable[[], LoneStore]


class Clock:
    now_ns = T0 + 60_000_000_000

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, s3_url: str, clock: Clock) -> Iterator[Opener]:
    stores: list[LoneStore] = []

    def make() -> LoneStore:
        for store in stores:
            store.close()
        stores[:] = [
            open_store(
                tmp_path / "store",
                magnetic_url=s3_url,
                memory_limit_bytes=1 << 26,
                templates={("d", name): SETTINGS for name in ("t", "other")},
                clock_ns=clock,
                monotonic_ns=clock,
            )
        ]
        return stores[0]

    yield make
    for store in stores:
        store.close()


def write(store: LoneStore, offset: int, *rows: Row, by_version: bool = False) -> list[int]:
    batch = batch_of(store.registry.of(TABLE), PARTITION, [offset] * len(rows), rows, by_version=by_version)
    outcomes: list[int] = store.apply(batch).outcomes.tolist()
    store.advance(PARTITION, offset)
    return outcomes


def row(time_ns: int, value: float = 1.0, series: str = "1", version: int = 1) -> Row:
    return Row((("s", series),), T0 + time_ns, (("v", value),), version)


def rows(store: LoneStore, where: str = "true", **selection: object) -> list[tuple[int, float | None]]:
    with store.snapshot(TABLE.account) as snapshot:
        source = snapshot.source(TABLE, **selection)  # type: ignore[arg-type]
        found = snapshot.execute(f"SELECT time_ns, v FROM {source} WHERE {where} ORDER BY ALL").to_pylist()
    return [(each["time_ns"] - T0, each["v"]) for each in found]


def delta_table(url: str) -> DeltaTable:
    location = locate(url, os.environ)
    assert isinstance(location, S3Location)
    here = location.at(layout.table_path(TABLE))
    return DeltaTable(here.url, storage_options=here.for_deltalake())


def test_a_query_process_reads_a_bucket_by_itself(opened: Opener, s3: S3Server) -> None:
    """And answers from RAM, if that has all rows; without both it says that the bucket is away."""
    store = opened()
    write(store, 0, row(0, 1.5), row(-DAY_NS, 3.5))
    store.flush()
    write(store, 1, row(7))
    sql = "SELECT count(*), sum(v) FROM d.t"

    def answered(pool: QueryProcesses) -> bytes:
        job = Job(SqlRequest(sql, T0 + 100), parts)
        with store.lender(TABLE.account) as lender, pool.run(lender, job) as answer:
            return b"".join(answer.parts)

    with closing(QueryProcesses(None, QueryLimits(), ["pipeline.api.http.results"])) as pool:
        with s3.away():
            assert b"[[3,6.0]]" in answered(pool)
        store = opened()
        write(store, 1, row(7))
        assert b"[[3,6.0]]" in answered(pool)
        sql = "SELECT max(v) FROM d.t"
        with s3.away(), pytest.raises(MagneticUnavailable):
            answered(pool)


def test_rows_are_read_back_by_the_next_process_late_and_repeated_ones_once(opened: Opener) -> None:
    """Only from the bucket: RAM is empty after a restart; keys are also looked up there."""
    store = opened()
    write(store, 0, row(0, 1.5), row(5, 2.5), row(-DAY_NS, 3.5))
    store.flush()
    write(store, 1, row(7))
    store = opened()

    assert store.replay_from(PARTITION) == 1
    assert rows(store) == [(-DAY_NS, 3.5), (0, 1.5), (5, 2.5)]
    assert write(store, 1, row(7), row(0, 1.5), row(3, 9.0)) == [Outcome.NEW, Outcome.SAME, Outcome.NEW]
    assert write(store, 2, row(5, 4.5)) == [Outcome.REPLACED]
    store.flush()
    assert rows(opened()) == [(-DAY_NS, 3.5), (0, 1.5), (3, 9.0), (5, 4.5), (7, 1.0)]


def test_bounds_and_dimensions_choose_the_same_rows_as_in_ram(opened: Opener) -> None:
    store = opened()
    for offset in range(3):
        write(store, offset, *(row(offset * 1000 + n * 7, float(n), series=str(n % 5)) for n in range(20)))
        store.flush()
    in_ram = rows(store, time_from_ns=T0 + 14, time_to_ns=T0 + 2063, dimensions={"s": ["1", "2", "none"]})

    store = opened()

    assert len(in_ram) > 10
    assert rows(store, time_from_ns=T0 + 14, time_to_ns=T0 + 2063, dimensions={"s": ["1", "2", "none"]}) == in_ram
    assert rows(store, dimensions={"s": []}) == []
    assert rows(store, time_from_ns=T0 + 1000, time_to_ns=T0 + 1001) == [(1000, 0.0)]


def test_only_files_in_range_are_read_and_a_footer_once(opened: Opener, s3: S3Server) -> None:
    store = opened()
    for day in range(3):
        write(store, day, row(day * HOUR_NS))
        store.flush()
    store = opened()
    (wanted,) = (file for file in store.all_tables()[0].files() if file.from_ns // HOUR_NS == T0 // HOUR_NS + 1)
    requests: list[list[str]] = []
    for _ in range(2):
        before = len(s3.requests())
        assert rows(store, time_from_ns=T0 + 1000, time_to_ns=T0 + HOUR_NS + 1) == [(HOUR_NS, 1.0)]
        requests.append(s3.requests()[before:])

    first, second = requests
    assert {line.split()[1].rsplit("/", 1)[1] for line in first + second} == {wanted.path.rsplit("/", 1)[1]}
    assert len(second) < len(first)
    assert set(second) < set(first)


def test_columns_that_come_later_are_null_in_earlier_files(opened: Opener) -> None:
    store = opened()
    write(store, 0, row(0))
    store.flush()
    write(store, 1, Row((("s", "1"), ("t", "x")), T0 + 1, (("w", True), ("z", "text"), ("v", 2.0))))
    store.flush()
    store = opened()

    with store.snapshot(TABLE.account) as snapshot:
        found = snapshot.execute(f"SELECT s, t, v, w, z FROM {snapshot.source(TABLE)} ORDER BY v").to_pylist()
    assert found == [
        {"s": "1", "t": None, "v": 1.0, "w": None, "z": None},
        {"s": "1", "t": "x", "v": 2.0, "w": True, "z": "text"},
    ]


def test_merging_cleaning_and_vacuum_leave_each_row_once(opened: Opener, clock: Clock, s3_url: str) -> None:
    store, oracle = opened(), Oracle()
    given = [row(n % 7, float(n)) for n in range(12)]
    for offset, each in enumerate(given):
        write(store, offset, each)
        oracle.apply(each)
        if offset % 3 == 2:
            store.flush()
    expected = sorted((each.time_ns - T0, each.values[0][1]) for each in oracle.rows.values())
    store = opened()
    table = store.all_tables()[0]
    files = table.files()
    assert len(files) == 4

    assert table.rewrite(files)

    assert [file.rows for file in table.files()] == [7]
    assert rows(store) == expected
    assert table.vacuum(clock.now_ns) == 0
    assert table.vacuum(clock.now_ns + KEEP_NS) == 4
    assert rows(store) == expected
    assert [path for path in open_objects(s3_url).list("") if path.endswith(".parquet")] == [
        f"{layout.table_path(TABLE)}/{table.files()[0].path}"
    ]
    assert rows(opened()) == expected


def test_upkeep_looks_after_a_bucket_as_after_a_folder(opened: Opener, clock: Clock) -> None:
    """Files of a past date are merged; the bucket says when they were written."""
    store = opened()
    for offset in range(2):
        write(store, offset, row(-3 * DAY_NS + offset))
        store.flush()
    clock.now_ns += 20 * 365 * DAY_NS
    store.maintain()
    clock.now_ns -= 20 * 365 * DAY_NS

    assert [file.rows for file in store.all_tables()[0].files()] == [2]


def test_rows_leave_with_their_retention(opened: Opener, clock: Clock) -> None:
    store = opened()
    write(store, 0, row(-2 * DAY_NS), row(0))
    store.flush()
    table = store.all_tables()[0]

    retired = table.retain(table.info.settings, clock.now_ns + 8 * DAY_NS, is_compaction_leader=True)

    assert retired == 1
    assert [file.rows for file in table.files()] == [1]


def test_a_deleted_table_is_removed_from_the_bucket(opened: Opener, s3_url: str) -> None:
    store = opened()
    write(store, 0, row(0))
    store.flush()
    assert any(layout.table_path(TABLE) in path for path in open_objects(s3_url).list(""))

    store.catalog.delete_table(TABLE)

    assert not any(layout.table_path(TABLE) in path for path in open_objects(s3_url).list(""))
    with store.snapshot(TABLE.account) as snapshot, pytest.raises(UnknownTable):
        snapshot.source(TABLE)


def test_lost_series_are_rebuilt_from_the_bucket(opened: Opener, s3_url: str) -> None:
    store = opened()
    write(store, 0, row(0), row(0, series="2"), row(1))
    store.flush()
    store.close()
    objects = open_objects(s3_url)
    for path in [path for path in objects.list("") if f"/{layout.SERIES}/" in path]:
        objects.delete(path)
    store = opened()

    assert sorted(store.last_times(TABLE).tolist()) == [T0, T0 + 1]
    assert write(store, 1, row(1), row(0, series="2")) == [Outcome.SAME, Outcome.SAME]


def test_other_engines_read_the_table_in_the_bucket(opened: Opener, s3_url: str) -> None:
    store = opened()
    write(store, 0, row(1234, 1.5), row(5, 2.5, series="2"))
    store.flush()

    dataset = delta_table(s3_url).to_pyarrow_dataset()

    connection = duckdb.connect()
    connection.register("t", dataset)
    found = connection.sql("SELECT s, v, epoch_us(time) * 1000 + time_ns_rest FROM t ORDER BY v").fetchall()
    connection.close()
    assert found == [("1", 1.5, T0 + 1234), ("2", 2.5, T0 + 5)]


def test_another_writer_of_the_bucket_is_noticed(opened: Opener, s3_url: str) -> None:
    store = opened()
    write(store, 0, row(0))
    store.flush()
    table = delta_table(s3_url)
    from deltalake.transaction import CommitProperties, Transaction

    table.create_write_transaction(
        [],
        "append",
        table.schema(),
        ["date"],
        commit_properties=CommitProperties(app_transactions=[Transaction(PARTITION, 7)]),
    )
    write(store, 1, row(1))

    store.flush()

    assert store.is_fenced
    assert delta_table(s3_url).version() == table.version() + 1


def test_while_the_bucket_is_away_rows_wait_and_are_committed_once_when_it_answers(
    opened: Opener, clock: Clock, s3: S3Server
) -> None:
    """The process continues; positions remain at what the bucket has completely."""
    store = opened()
    write(store, 0, row(0))
    store.flush()
    with s3.away():
        write(store, 1, row(1))
        clock.now_ns += 2 * FLUSH_AFTER_NS
        store.maintain()
        store.maintain()
        assert (store.outage.failures, store.low_watermark(PARTITION)) == (1, 1)
        clock.now_ns += FIRST_WAIT_NS
        store.maintain()
        assert (store.outage.failures, store.low_watermark(PARTITION)) == (2, 1)
        assert store.outage.since_ns is not None
        assert rows(store) == [(0, 1.0), (1, 1.0)]
        store.flush()
    assert store.low_watermark(PARTITION) == 1

    clock.now_ns += 2 * FIRST_WAIT_NS
    store.maintain()

    assert (store.outage.since_ns, store.low_watermark(PARTITION)) == (None, 2)
    assert rows(opened()) == [(0, 1.0), (1, 1.0)]


def test_callers_get_an_error_while_the_bucket_is_unavailable(opened: Opener, s3: S3Server) -> None:
    """A query, a look-up, a merge: the error does not say that the query or the data is wrong."""
    store = opened()
    for offset in range(2):
        write(store, offset, row(offset))
        store.flush()
    store = opened()
    table = store.all_tables()[0]
    with s3.away():
        with pytest.raises(MagneticUnavailable):
            rows(store)
        with pytest.raises(MagneticUnavailable):
            write(store, 2, row(0, 7.0))
        with pytest.raises(MagneticUnavailable):
            table.rewrite(table.files())

    assert rows(store) == [(0, 1.0), (1, 1.0)]


def test_a_bucket_that_is_not_there_is_refused(
    tmp_path: Path, s3: S3Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MagneticTierError, match="s3://no-") as caught:
        open_store(tmp_path, magnetic_url=f"s3://no-{secrets.token_hex(6)}", templates={}, clock_ns=clock)
    assert not isinstance(caught.value, MagneticUnavailable)


def test_a_new_table_waits_for_the_bucket_and_a_new_column_does_not(opened: Opener, clock: Clock, s3: S3Server) -> None:
    store = opened()
    write(store, 0, row(0))
    store.flush()
    other = TableId(TABLE.account, TABLE.database, "other")
    batch = batch_of(store.registry.of(other), PARTITION, [2], [row(2)])
    with s3.away():
        write(store, 1, Row((("s", "1"), ("new", "x")), T0 + 1, (("w", 5.0),)))
        with pytest.raises(MagneticUnavailable) as caught:
            store.apply(batch)
        assert 0 < store.unavailable(caught.value) <= FIRST_WAIT_NS / 1e9
        assert rows(store, "w = 5 AND new = 'x'") == [(1, None)]

    assert store.apply(batch).outcomes.tolist() == [Outcome.NEW]
    clock.now_ns += 2 * FIRST_WAIT_NS
    store.flush()
    assert rows(opened(), "w = 5 AND new = 'x'") == [(1, None)]


def test_a_look_up_that_the_bucket_did_not_answer_is_made_again_and_numbers_rows_as_in_a_replay(
    opened: Opener, s3: S3Server, s3_url: str
) -> None:
    store = opened()
    write(store, 0, row(0))
    store.flush()
    store = opened()
    with s3.away(), pytest.raises(MagneticUnavailable):
        write(store, 1, row(0, 7.0))

    write(store, 1, row(0, 7.0))

    assert rows(store) == [(0, 7.0)]
    store.flush()
    assert max(delta_table(s3_url).to_pyarrow_table()[layout.SEQUENCE].to_pylist()) == 1 << OFFSET_BITS
