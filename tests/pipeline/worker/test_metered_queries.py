"""Each query that reads rows is counted once, with what it scanned of each table."""

from __future__ import annotations

from pathlib import Path

from pipeline.base.errors import LogFull
from pipeline.log.frame import decode_frame
from pipeline.log.query_use import QueryUse, query_use_of
from pipeline.stream.usage.counts import DAY_NS
from pipeline.worker.metered_queries import MeteredQueries, QueryUses
from store.catalog.catalog import TableSettings
from store.processes.job import Job
from store.reading.insights import METERED_LEAST_BYTES, Insights
from store.record import TableId
from store.sql import SqlRequest
from store.testing import LocalExecutor, Row, batch_of
from tests.support.lone_store import PARTITION, open_store

DAY, LEAST = 20_000, METERED_LEAST_BYTES
NOW_NS = DAY * DAY_NS + 3


def uses() -> QueryUses:
    return QueryUses("w", lambda: NOW_NS)


def test_what_a_query_is_metered_beyond_its_scans_counts_for_its_widest_table() -> None:
    found = uses()

    found.note("a", Insights(2, ("d", "wide"), 9, 300, None, (("d", "narrow", 100), ("d", "wide", 200))))
    found.note("a", Insights(1, ("d", "wide"), 9, 3 * LEAST, None, (("d", "wide", 3 * LEAST),)))
    found.note("b", Insights())

    sums = {scan[1:4]: scan[4:] for scan in ((*_values(scan),) for scan in found.pending())}
    assert sums == {
        ("a", "d", "narrow"): (0, 100, 100),
        ("a", "d", "wide"): (2, 200 + 3 * LEAST, LEAST - 100 + 3 * LEAST),
        ("b", "", ""): (1, 0, LEAST),
    }


def _values(scan: object) -> tuple[object, ...]:
    return tuple(getattr(scan, name) for name in scan.__struct_fields__)  # type: ignore[attr-defined]


async def test_what_the_log_does_not_take_is_told_again_as_the_same_word() -> None:
    found, told = uses(), list[QueryUse]()

    async def full(data: bytes) -> None:
        told.append(query_use_of(decode_frame(data)))
        raise LogFull("full")

    async def free(data: bytes) -> None:
        told.append(query_use_of(decode_frame(data)))

    found.note("a", Insights())
    await found.tell(full)
    found.note("a", Insights())
    assert sum(scan.queries for scan in found.pending()) == 2
    for _ in range(3):
        await found.tell(free)

    assert [(word.number, sum(scan.queries for scan in word.scans)) for word in told] == [(1, 1), (1, 1), (2, 1)]
    assert found.pending() == []


def test_a_query_of_a_table_is_counted_with_its_bytes(tmp_path: Path) -> None:
    table = TableId("farm", "d", "t")
    store = open_store(tmp_path, templates={("d", "t"): TableSettings(from_config=True)}, clock_ns=lambda: NOW_NS)
    rows = [Row((("s", "1"),), NOW_NS - number, (("v", 1.0),)) for number in range(10)]
    store.apply(batch_of(store.registry.of(table), PARTITION, range(10), rows))
    found = uses()
    executor = MeteredQueries(LocalExecutor(tmp_path), found)

    job = Job(SqlRequest('SELECT v FROM "d"."t"', NOW_NS), lambda _: iter(()))
    with store.lender("farm") as lender, executor.run(lender, job) as answer:
        assert answer.rows == 10
    executor.close()
    store.close()

    (scan,) = found.pending()
    assert (scan.day, scan.account, scan.database, scan.table, scan.queries) == (DAY, "farm", "d", "t", 1)
    assert (scan.scanned_bytes > 0, scan.metered_bytes) == (True, LEAST)
