"""Time is exact to the nanosecond, `now()` is constant within a query, and a WHERE limits what is read."""

import random
from collections.abc import Collection, Mapping

import pytest
from sql_database import NOW_NS, Database

from store.catalog.schema import BY_MEASURE_NAME, TableSchema
from store.endpoint import WriteRecord
from store.record import MeasureType, TableId
from store.sql.bound import Query
from store.sql.parse import parse
from store.sql.select import Binder
from store.sql.text import QueryText

NOW = "2026-09-21 14:13:20.123456789"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("now()", NOW),
        ("current_timestamp", NOW),
        ("current_date", "2026-09-21"),
        ("now() - ago(90s)", "0 00:01:30.000000000"),
        ("now() - 1ns", "2026-09-21 14:13:20.123456788"),
        ("1h + now()", "2026-09-21 15:13:20.123456789"),
        ("interval '1' month + now()", "2026-10-21 14:13:20.123456789"),
        ("timestamp '2024-03-31 00:00' - interval '1' month", "2024-02-29 00:00:00.000000000"),
        ("bin(now(), 15m)", "2026-09-21 14:00:00.000000000"),
        ("bin(timestamp '1969-12-31 23:59', 1h)", "1969-12-31 23:00:00.000000000"),
        ("date_trunc('month', '2026-02-28 23:59')", "2026-02-01 00:00:00.000000000"),
        ("date_trunc('week', now())", "2026-09-21 00:00:00.000000000"),
        ("date_diff('minute', ago(3h), now())", "180"),
        ("date_diff('month', '2026-01-31', '2026-03-01')", "1"),
        ("date_add('month', 1, '2026-01-31')", "2026-02-28 00:00:00.000000000"),
        ("from_milliseconds(1790000000123)", "2026-09-21 14:13:20.123000000"),
        ("to_milliseconds(now())", "1790000000123"),
        ("to_nanoseconds(now())", str(NOW_NS)),
        ("to_milliseconds('1969-12-31 23:59:59.999999999')", "-1"),
        ("hour('1969-12-31 23:59:59.999999999')", "23"),
        ("cast(now() as varchar)", NOW),
        ("cast('2026-09-21' as timestamp)", "2026-09-21 00:00:00.000000000"),
        ("cast(now() as date)", "2026-09-21"),
        ("try_cast('nonsense' as timestamp)", None),
        ("date '2026-09-21' = '2026-09-21'", "true"),
        ("now() BETWEEN '2026-09-21' AND '2026-09-22'", "true"),
        ("extract(year FROM now())", "2026"),
        ("-5m", "-0 00:05:00.000000000"),
        ("2 * 36h", "3 00:00:00.000000000"),
        ("1y + 2month", "1-2"),
    ],
)
def test_arithmetic_of_time(empty: Database, expression: str, value: str | None) -> None:
    assert empty.value(f"SELECT {expression}") == value


@pytest.mark.parametrize(
    "call",
    [
        "bin({}, 7m)",
        "bin({}, 3ns)",
        "date_trunc('hour', {})",
        "date_trunc('millisecond', {})",
        "to_milliseconds({})",
        "{} + 3ms",
        "{} - ago(5h)",
        "date_add('minute', -3, {})",
        "from_milliseconds(to_milliseconds({}))",
    ],
)
def test_a_call_of_a_constant_is_what_it_is_of_a_column(db: Database, call: str) -> None:
    rng = random.Random(call)
    times = [rng.randrange(2**62) for _ in range(20)] + [0, 1, NOW_NS]
    values = [(("x", MeasureType.TIMESTAMP, time_ns),) for time_ns in times]
    db.write("db", "t", [WriteRecord((), "m", NOW_NS - row, 1, value) for row, value in enumerate(values)])
    of_column = db.rows(f"SELECT {call.format('x')} FROM db.t ORDER BY time DESC")

    of_constant = [db.rows(f"SELECT {call.format(f'from_nanoseconds({time_ns})')}")[0] for time_ns in times]

    assert of_column == of_constant


class Recorder:
    """Returns the schema of a store, and records the requested scans."""

    def __init__(self, schema: TableSchema) -> None:
        self._schema = schema
        self.scans: list[tuple[int | None, int | None, Mapping[str, Collection[str]] | None]] = []

    def schema(self, database: str, table: str) -> TableSchema:
        assert (database, table) == ("db", "t")
        return self._schema

    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
        columns: Collection[str] | None = None,
        as_of: int | None = None,
    ) -> str:
        assert as_of is None
        assert columns == {"host", "measure_name", "time_ns", "n", "at"}
        assert table == self._schema.table
        self.scans.append((time_from_ns, time_to_ns, dimensions))
        return "(scan)"


HOUR_NS = 3_600 * 10**9


@pytest.mark.parametrize(
    ("where", "scan"),
    [
        ("time > ago(1h)", (NOW_NS - HOUR_NS + 1, None, None)),
        ("time >= ago(1h)", (NOW_NS - HOUR_NS, None, None)),
        ("ago(1h) <= time AND now() > time", (NOW_NS - HOUR_NS, NOW_NS, None)),
        ("time <= now()", (None, NOW_NS + 1, None)),
        ("time = now()", (NOW_NS, NOW_NS + 1, None)),
        ("time BETWEEN from_milliseconds(5) AND '1970-01-01 00:00:01'", (5_000_000, 10**9 + 1, None)),
        ("(time > ago(2h) AND (time > ago(1h) AND n > 1))", (NOW_NS - HOUR_NS + 1, None, None)),
        ("time > date '1970-01-02'", (86_400 * 10**9 + 1, None, None)),
        ("host = 'a' AND n > 1", (None, None, {"host": frozenset("a")})),
        ("'a' = host", (None, None, {"host": frozenset("a")})),
        ("host IN ('a', 'b') AND host IN ('b', 'c')", (None, None, {"host": frozenset("b")})),
        ("time > ago(1h) OR host = 'a'", (None, None, None)),
        ("NOT time > ago(1h)", (None, None, None)),
        ("time > at", (None, None, None)),
        ("time + 1h > now()", (None, None, None)),
        ("host NOT IN ('a')", (None, None, None)),
        ("host LIKE 'a'", (None, None, None)),
        ("measure_name = 'x'", (None, None, {BY_MEASURE_NAME: {"x"}})),
        ("n = 1", (None, None, None)),
    ],
)
def test_a_where_tells_what_to_read(
    db: Database, where: str, scan: tuple[int | None, int | None, Mapping[str, Collection[str]] | None]
) -> None:
    values = (("n", MeasureType.BIGINT, 1), ("at", MeasureType.TIMESTAMP, 1))
    db.write("db", "t", [WriteRecord((("host", "a"),), "m", NOW_NS, 1, values)])
    with db.store.snapshot("acme") as snapshot:
        recorder = Recorder(snapshot.schema("db", "t"))
    query = QueryText(f"SELECT * FROM db.t WHERE {where}")
    statement = parse(query)
    assert isinstance(statement, Query)

    Binder(query, recorder, NOW_NS).bind(statement)

    assert recorder.scans == [scan]
    assert db.rows(query.text) is not None


def test_bins_of_rows_are_floors_before_1970_too(empty: Database) -> None:
    width_ns = 300 * 10**9
    numbers = [0, 1, -1, width_ns - 1, width_ns, -width_ns, -width_ns - 1, 2**63 - 1, -(2**63) + width_ns]
    values = ", ".join(f"({number})" for number in numbers)

    found = empty.rows(f"SELECT to_nanoseconds(bin(from_nanoseconds(n), 5m)) FROM (VALUES {values}) AS t(n)")

    assert sorted(int(str(value)) for (value,) in found) == sorted(n // width_ns * width_ns for n in numbers)
