"""Owners send partial aggregates where they are fewer than rows, and rows to workers that do not know these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import structs
from workers_bench import TABLE, TEMPLATES, Asked, Bench

from store.magnetic.data_files import data_files
from store.reading.borrowed import Borrowed, Read
from store.reading.partials import ROWS, Partials
from store.reading.tail import Pin, PinnedRows, TailReply, TailRequest
from store.sql import SqlRequest, query
from store.testing import Row, duck
from tests.support.plain_tables import Answer, values

SENSORS, ZONES = 12, 3


@dataclass(slots=True)
class Network:
    """What the worker 0 of a group is sent, and knows to ask for."""

    bench: Bench
    knows_partials: bool
    size_bytes: int = 0

    def gather(self, request: TailRequest, pin: Pin) -> list[TailReply | PinnedRows]:
        known = request if self.knows_partials else structs.replace(request, partials=None, seen={}, measure_names=None)
        replies = self.bench.gather_of(0)(known, pin)
        self.size_bytes += sum(len(reply.encode()) for reply in replies if isinstance(reply, TailReply))
        return replies


def asked(bench: Bench, sql: str, *, knows_partials: bool) -> tuple[Answer, int, list[Read]]:
    """The result on worker 0, the bytes that the others sent, and what was read."""
    network = Network(bench, knows_partials)
    with (
        bench.workers[0].lender(TABLE.account, network.gather) as lender,
        Borrowed(lender, duck(), data_files, 1 << 29) as tables,
    ):
        found = values(query(tables, SqlRequest(sql, bench.now_ns)).table)
        return found, network.size_bytes, tables.reads


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two workers with 6,000 rows, of which a third is flushed, and some of another measure name."""
    bench = Bench(str(tmp_path_factory.mktemp("group") / "magnetic"), 2, TEMPLATES)
    for part in range(3):
        bench.write(
            [
                Row(
                    (("sensor", f"s{of % SENSORS}"), ("zone", f"z{of % ZONES}")),
                    bench.now_ns + (part * 2_000 + of) * 10**6,
                    (("t", of * 0.1), ("n", of)),
                )
                for of in range(2_000)
            ]
        )
        bench.write([Row((("sensor", "s0"), ("zone", "z0")), bench.now_ns + part, (("t", 1e9),), measure_name="other")])
        if part == 0:
            bench.each(lambda store: store.flush())
    yield bench
    bench.close()


SUMS = f"""SELECT sensor, bin(time, 1m), count(*), avg(t), sum(t), avg(n), sum(n), min(t), max(n), max(time)
    FROM "{TABLE.database}"."{TABLE.table}" WHERE time > ago(1h) AND measure_name = 'm'
    GROUP BY sensor, bin(time, 1m) ORDER BY 1, 2"""


def test_owners_send_partial_aggregates_instead_of_rows(filled: Bench) -> None:
    rows, of_rows, _ = asked(filled, SUMS, knows_partials=False)
    merged, of_partials, (read,) = asked(filled, SUMS, knows_partials=True)

    assert len(rows) == SENSORS
    for row, other in zip(rows, merged, strict=True):
        exact, near = [0, 1, 2, 6, 7, 8, 9], [3, 4, 5]
        assert [row[at] for at in exact] == [other[at] for at in exact]
        assert [row[at] for at in near] == pytest.approx([other[at] for at in near], rel=1e-14)
    assert of_partials < of_rows / 10
    assert (read.rows, read.partials) == (0, SENSORS)


@pytest.mark.parametrize("grouped", ["", " GROUP BY sensor"])
def test_owners_have_no_rows_of_what_is_asked(filled: Bench, grouped: str) -> None:
    sql = f"SELECT count(*), max(t) FROM d.t WHERE zone = 'nowhere'{grouped}"

    found, _, _ = asked(filled, sql, knows_partials=True)

    assert found == ([] if grouped else [(0, None)])


HOUR = 'FROM "d"."t" WHERE time > ago(1h)'
BY_SENSOR = f"SELECT sensor, zone, count(*) AS n, max(t) AS most {HOUR} AND measure_name = 'm' GROUP BY sensor, zone"
BY_ZONE = f"SELECT zone, min(n) AS least, max(time) AS last {HOUR} GROUP BY zone"


@pytest.mark.parametrize(
    ("sql", "partials"),
    [
        (f"SELECT zone, sum(n), max(most) FROM ({BY_SENSOR}) GROUP BY zone", [SENSORS]),
        (f"WITH s AS ({BY_SENSOR}) SELECT * FROM s WHERE most > 50 AND zone <> 'z1'", [SENSORS]),
        (f"WITH s AS ({BY_SENSOR}), z AS ({BY_ZONE}) SELECT s.sensor, s.n, z.least FROM s JOIN z USING (zone)", None),
        (f"SELECT a.sensor, b.last FROM ({BY_SENSOR}) a LEFT JOIN ({BY_ZONE}) b ON a.zone = b.zone", None),
        (f"SELECT sensor, most {HOUR.replace('WHERE', 'JOIN (' + BY_SENSOR + ') s USING (sensor) WHERE')}", None),
        (f"SELECT max(t) - (SELECT min(t) {HOUR}) {HOUR}", None),
        (f"SELECT zone, count(*) {HOUR} GROUP BY zone UNION ALL SELECT sensor, count(*) {HOUR} GROUP BY sensor", None),
        (f"SELECT round(avg(m), 6) FROM (SELECT bin(time, 1m) AS b, zone, avg(t) AS m {HOUR} GROUP BY 1, 2)", None),
    ],
)
def test_partial_aggregates_are_sent_for_queries_within_others(
    filled: Bench, sql: str, partials: list[int] | None
) -> None:
    rows, of_rows, _ = asked(filled, sql, knows_partials=False)
    merged, of_partials, reads = asked(filled, sql, knows_partials=True)

    assert sorted(merged, key=repr) == sorted(rows, key=repr)
    assert of_partials < of_rows
    assert any(read.partials for read in reads)
    assert partials is None or [read.partials for read in reads] == partials


def test_a_query_within_others_without_a_first_time_reads_rows(filled: Bench) -> None:
    """Bounds of the outer query reach its rows, but not what is merged."""
    sql = "SELECT * FROM (SELECT bin(time, 1m) AS b, count(*) AS n FROM d.t GROUP BY 1) WHERE b > ago(1h)"

    found, _, (read,) = asked(filled, sql, knows_partials=True)

    assert found
    assert read.from_ns is not None
    assert not read.partials


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(DISTINCT sensor) FROM d.t",
        "SELECT max_by(sensor, time) FROM d.t",
        "SELECT count(*) FROM d.t WHERE t > 5",
        "SELECT sensor, time, max(t) FROM d.t GROUP BY sensor, time",
        "SELECT count(*) FILTER (WHERE t > 5) FROM d.t",
        "SELECT max(sensor) FROM d.t",
        "SELECT count(*) FROM d.t GROUP BY ROLLUP (sensor)",
        "SELECT sensor, bin(time, 1ms), count(*) FROM d.t GROUP BY 1, 2",  # as many as rows
    ],
)
def test_rows_are_sent_where_partial_aggregates_would_not_do(filled: Bench, sql: str) -> None:
    expected, _, _ = asked(filled, sql, knows_partials=False)
    found, _, (read,) = asked(filled, sql, knows_partials=True)

    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert read.rows
    assert not read.partials


def test_a_row_that_is_replaced_is_in_no_partial_aggregate(tmp_path: Path) -> None:
    bench = Bench(str(tmp_path / "magnetic"), 2, TEMPLATES)
    dimensions = [(("sensor", f"s{of}"), ("zone", "z0")) for of in range(SENSORS)]
    for version, value in ((1, 1.0), (2, 5.0)):
        bench.write([Row(of, bench.now_ns, (("t", value),), version) for of in dimensions], by_version=True)
        if version == 1:
            bench.each(lambda store: store.flush())
    bench.write([Row(of, bench.now_ns + 1, (("t", 7.0),)) for of in dimensions])

    found, _, (read,) = asked(bench, "SELECT count(*), sum(t), min(t) FROM d.t", knows_partials=True)

    assert found == [(2 * SENSORS, 12.0 * SENSORS, 5.0)]
    assert read.partials
    assert read.rows
    bench.close()


def test_two_reads_of_a_query_see_the_same_rows(tmp_path: Path) -> None:
    bench = Bench(str(tmp_path / "magnetic"), 2, TEMPLATES)

    def write(number: int) -> None:
        bench.write(
            [Row((("sensor", f"s{of}"), ("zone", "z0")), bench.now_ns + number, (("t", 1.0),)) for of in range(12)]
        )

    write(0)
    of, counts = Partials((), None, ()), []
    with (
        Asked(bench, 0).lender(TABLE.account) as lender,
        Borrowed(lender, duck(), data_files, 1 << 29) as tables,
    ):
        for number in range(2):
            text = tables.partials(TABLE, of, time_from_ns=number)
            assert text is not None
            counts.append(tables.execute(f"SELECT sum({ROWS})::BIGINT AS n FROM {text}")["n"].to_pylist())
            write(number + 1)

    assert counts == [[SENSORS], [SENSORS]]
    bench.close()
