"""EXPLAIN says what a query reads: the bounds that were found, and the files and rows within them."""

from pathlib import Path

import pytest
from sql_database import NOW_NS, Database

from store.catalog.catalog import TableSettings
from store.endpoint import WriteRecord
from store.record import MeasureType, TableId
from store.sql import SqlError

HOUR_NS = 3_600_000_000_000


def written(db: Database, host: str, hours: int) -> None:
    values = (("temp", MeasureType.DOUBLE, 1.5), ("load", MeasureType.DOUBLE, 2.5))
    db.write("db", "t", [WriteRecord((("host", host),), "m", NOW_NS - hours * HOUR_NS, 1, values)])


def test_bounds_columns_files_and_rows_are_told(tmp_path: Path) -> None:
    db = Database(tmp_path)
    written(db, "a", 30)
    db.store.flush()
    written(db, "a", 0)

    (told,) = db.rows("EXPLAIN SELECT temp FROM db.t WHERE time > ago(1h) AND host = 'a'")
    (whole,) = db.rows("EXPLAIN SELECT * FROM db.t")

    table, from_, to, dimensions, columns, *read = told
    assert (table, to, dimensions, read) == ('"db"."t"', None, "host: a", ["0", "0", "0", "1", "0"])
    assert from_ == "2026-09-21 13:13:20.123456790"
    assert columns == "temp"  # the others only choose rows
    assert whole[1:4] == (None, None, "")
    assert int(str(whole[5])) + int(str(whole[8])) >= 2
    db.store.close()


@pytest.mark.parametrize(
    ("condition", "from_", "to"),
    [
        ("bin(time, 1h) >= '2026-09-21 10:00:00'", "2026-09-21 10:00:00", None),
        ("bin(time, 1h) = '2026-09-21 10:00:00'", "2026-09-21 10:00:00", "2026-09-21 11:00:00"),
        ("bin(time, 1d, 'Europe/Paris') <= '2026-09-21'", None, "2026-09-24 00:00:00"),
        ("date_trunc('day', time) < '2026-09-21'", None, "2026-09-22 00:00:00"),
        ("date(time) BETWEEN '2026-09-20' AND '2026-09-21'", "2026-09-20 00:00:00", "2026-09-22 00:00:00"),
        ("CAST(time AS DATE) = DATE '2026-09-21'", "2026-09-21 00:00:00", "2026-09-22 00:00:00"),
        ("'2026-09-01' <= date_trunc('month', time)", "2026-09-01 00:00:00", None),
    ],
)
def test_a_bin_of_a_time_bounds_it(db: Database, condition: str, from_: str | None, to: str | None) -> None:
    written(db, "a", 0)

    (told,) = db.rows(f"EXPLAIN SELECT temp FROM db.t WHERE {condition}")

    assert told[1:3] == tuple(None if text is None else f"{text}.000000000" for text in (from_, to))


def test_a_zone_is_found_by_its_dimensions(db: Database) -> None:
    db.store.catalog.create_database("acme", "db")
    db.store.catalog.create_table(TableId("acme", "db", "t"), TableSettings(zone="{region}/{host}"))
    values = (("temp", MeasureType.DOUBLE, 1.5),)
    hosts = [("eu", "a"), ("eu", "b"), ("us", "a")]
    db.write(
        "db",
        "t",
        [
            WriteRecord((("host", host), ("region", region)), "m", NOW_NS, 1, values, f"{region}/{host}")
            for region, host in hosts
        ],
    )

    (told,) = db.rows("EXPLAIN SELECT temp FROM db.t WHERE zone_name = 'eu/a'")

    assert (told[3], told[8]) == ("host: a; region: eu", "1")
    assert db.rows("SELECT host, zone_name FROM db.t WHERE zone_name IN ('eu/a', 'us')") == [("a", "eu/a")]


def test_series_are_found_by_their_measure_name(db: Database) -> None:
    values = (("temp", MeasureType.DOUBLE, 1.5),)
    db.write("db", "t", [WriteRecord((("host", "a"),), name, NOW_NS, 1, values) for name in ("m", "n", "o")])

    (told,) = db.rows("EXPLAIN SELECT temp FROM (SELECT * FROM db.t) WHERE measure_name IN ('m', 'o', 'x')")

    assert (told[3], told[8]) == ("measure_name: m, o, x", "2")
    assert db.rows("SELECT measure_name FROM db.t WHERE measure_name = 'n' AND host = 'a'") == [("n",)]


def test_each_table_has_a_row(db: Database) -> None:
    written(db, "a", 0)

    rows = db.rows("EXPLAIN SELECT * FROM db.t x JOIN db.t y ON x.host = y.host")

    assert [row[0] for row in rows] == ['"db"."t"', '"db"."t"']
    assert db.rows("EXPLAIN SELECT 1") == []


@pytest.mark.parametrize(
    "condition",
    [
        "time >= (SELECT max(time) FROM db.t)",
        "(SELECT max(host) FROM db.t) = host AND temp > 0",
        "temp >= ALL (SELECT temp FROM db.t)",
        "time BETWEEN (SELECT min(time) FROM db.t) AND now()",
    ],
)
def test_the_table_of_a_subquery_is_read_once(db: Database, condition: str) -> None:
    written(db, "a", 0)

    rows = db.rows(f"EXPLAIN SELECT host FROM db.t WHERE {condition}")

    assert len(rows) == 2
    assert db.rows(f"SELECT host FROM db.t WHERE {condition}") == [("a",)]


OF_TABLE = "SELECT time AS t, host AS h, temp FROM db.t"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM ({OF_TABLE}) WHERE {{}}",
        f"WITH x AS ({OF_TABLE}) SELECT * FROM x WHERE {{}}",
        f"WITH x AS ({OF_TABLE}), y AS (SELECT * FROM x) SELECT * FROM y WHERE {{}}",
        f"WITH x(t, h, v) AS ({OF_TABLE}) SELECT * FROM x WHERE {{}}",
        f"SELECT * FROM (SELECT DISTINCT * FROM ({OF_TABLE})) WHERE {{}}",
        f"SELECT * FROM ({OF_TABLE} UNION ALL {OF_TABLE}) WHERE {{}}",
        f"SELECT * FROM ({OF_TABLE} INTERSECT {OF_TABLE}) WHERE {{}}",
        f"SELECT * FROM (SELECT 1 AS one) LEFT JOIN ({OF_TABLE}) ON true WHERE {{}}",
        "SELECT * FROM (SELECT host AS h, time AS t, max(temp) AS m FROM db.t GROUP BY 1, 2) WHERE {}",
        "SELECT * FROM (SELECT host h, time t, lag(temp) OVER (PARTITION BY host, time) FROM db.t) WHERE {}",
    ],
)
def test_bounds_of_a_query_reach_the_tables_of_its_subqueries(db: Database, sql: str) -> None:
    written(db, "a", 0)

    rows = db.rows("EXPLAIN " + sql.format("t > ago(1h) AND h IN ('a', 'b')"))

    assert {row[1:4] for row in rows} == {("2026-09-21 13:13:20.123456790", None, "host: a, b")}


@pytest.mark.parametrize(
    ("sql", "from_", "dimensions"),
    [
        (f"SELECT * FROM ({OF_TABLE} LIMIT 3) WHERE {{}}", False, False),
        (f"SELECT * FROM ({OF_TABLE} OFFSET 3) WHERE {{}}", False, False),
        (f"SELECT * FROM (({OF_TABLE}) UNION ({OF_TABLE}) LIMIT 3) WHERE {{}}", False, False),
        ("SELECT * FROM (SELECT max(time) t, host h FROM db.t GROUP BY host) WHERE {}", False, True),
        ("SELECT * FROM (SELECT max(time) t, max(host) h FROM db.t) WHERE {}", False, False),
        ("SELECT * FROM (SELECT time t, host h FROM db.t GROUP BY ROLLUP (time, host)) WHERE {}", False, False),
        ("SELECT * FROM (SELECT time t, host h, lag(temp) OVER (PARTITION BY host) FROM db.t) WHERE {}", False, True),
        ("SELECT * FROM (SELECT time t, host h, lag(time) OVER w FROM db.t WINDOW w AS (ORDER BY time)) WHERE {}",
         False, False),
        ("SELECT * FROM (SELECT time + 1s AS t, lower(host) AS h FROM db.t) WHERE {}", False, False),
        (f"WITH x AS ({OF_TABLE}) SELECT * FROM x WHERE {{}} AND h > (SELECT max(h) FROM x)", False, False),
        (f"SELECT * FROM ({OF_TABLE}) x LEFT JOIN (SELECT 1 AS one) ON {{}}", False, False),
    ],
)  # fmt: skip
def test_bounds_do_not_reach_what_needs_other_rows(db: Database, sql: str, from_: bool, dimensions: bool) -> None:
    written(db, "a", 0)

    ((_, start, end, told, *_),) = set(db.rows("EXPLAIN " + sql.format("t > ago(1h) AND h = 'a'")))

    assert (start is not None, end, told) == (from_, None, "host: a" if dimensions else "")


def test_a_with_query_is_read_within_what_any_place_needs(db: Database) -> None:
    written(db, "a", 0)

    (told,) = db.rows(
        f"EXPLAIN WITH x AS ({OF_TABLE}) SELECT * FROM x WHERE t > ago(1h) AND h = 'a' UNION ALL "
        "SELECT * FROM x WHERE t > ago(2h) AND t < now() AND h IN ('b', 'c')"
    )

    assert told[1:4] == ("2026-09-21 12:13:20.123456790", None, "host: a, b, c")


def test_a_bin_in_a_subquery_bounds_the_time(db: Database) -> None:
    written(db, "a", 0)
    binned = "SELECT bin(time, 1h) AS t, max(temp) AS m FROM db.t GROUP BY bin(time, 1h)"

    (told,) = db.rows(f"EXPLAIN SELECT * FROM ({binned}) WHERE t BETWEEN '2026-09-21 10:00' AND '2026-09-21 12:00'")

    assert told[1:3] == ("2026-09-21 10:00:00.000000000", "2026-09-21 13:00:00.000000000")


def test_a_wrong_query_is_as_wrong_with_it(db: Database) -> None:
    written(db, "a", 0)

    with pytest.raises(SqlError, match="line 1:16: Column 'nothing' does not exist"):
        db.rows("EXPLAIN SELECT nothing FROM db.t")
