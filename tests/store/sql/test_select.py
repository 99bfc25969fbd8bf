"""The clauses of a SELECT, and their results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sql_database import NOW_NS, Database

from store.endpoint import WriteRecord
from store.record import MeasureType
from store.sql.values import format_double

MINUTE_NS = 60_000_000_000


@pytest.fixture(scope="module")
def hosts(asked: Database) -> Database:
    """Three hosts a, b, c in regions eu, eu, us; two rows each, temp 1…6, n only in the first."""
    records = []
    for row in range(6):
        dimensions = (("host", "abc"[row // 2]), ("region", ["eu", "eu", "us"][row // 2]))
        values: list[tuple[str, MeasureType, float | int]] = [("temp", MeasureType.DOUBLE, row + 1.0)]
        if row % 2 == 0:
            values.append(("n", MeasureType.BIGINT, row))
        records.append(WriteRecord(dimensions, "m", NOW_NS - row * MINUTE_NS, 1, tuple(values)))
    asked.write("db", "t", records)
    return asked


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT host, count(*) FROM db.t GROUP BY host ORDER BY host", [("a", "2"), ("b", "2"), ("c", "2")]),
        ("SELECT region r, sum(temp) FROM db.t GROUP BY r ORDER BY 2 DESC", [("us", "11.0"), ("eu", "10.0")]),
        ("SELECT upper(region), avg(temp) FROM db.t GROUP BY 1 ORDER BY avg(temp)", [("EU", "2.5"), ("US", "5.5")]),
        ("SELECT upper(region) FROM db.t GROUP BY region HAVING max(temp) > 4", [("US",)]),
        ("SELECT region FROM db.t GROUP BY region HAVING count(DISTINCT host) = 2", [("eu",)]),
        ("SELECT count(n), count(*), min(n), sum(n), avg(n) FROM db.t", [("3", "6", "0", "6", "2.0")]),
        ("SELECT count(*), max(temp) FROM db.t WHERE false", [("0", None)]),
        ("SELECT DISTINCT region FROM db.t ORDER BY region DESC", [("us",), ("eu",)]),
        ("SELECT host FROM db.t WHERE n IS NULL AND temp NOT BETWEEN 3 AND 5 ORDER BY 1", [("a",), ("c",)]),
        ("SELECT coalesce(n, -1) FROM db.t ORDER BY time DESC LIMIT 2", [("0",), ("-1",)]),
        ("SELECT n FROM db.t ORDER BY n DESC NULLS FIRST, temp LIMIT 4", [(None,), (None,), (None,), ("4",)]),
        ("SELECT n FROM db.t ORDER BY n LIMIT 1", [("0",)]),
        ("SELECT temp AS time FROM db.t ORDER BY time LIMIT 1", [("1.0",)]),
        (
            "SELECT bin(time, 1h) AS time, count(*) FROM db.t GROUP BY bin(time, 1h)",
            [("2026-09-21 14:00:00.000000000", "6")],
        ),
        ("SELECT CASE region WHEN 'eu' THEN 1 ELSE 2.5 END c FROM db.t GROUP BY c ORDER BY c", None),
        ("SELECT host FROM db.t WHERE host LIKE '_' AND host NOT LIKE 'a%' GROUP BY host ORDER BY 1", [("b",), ("c",)]),
        ("SELECT '50%' LIKE '50!%' ESCAPE '!', '50x' LIKE '50!%' ESCAPE '!'", [("true", "false")]),
        ("SELECT 7 / 2, -7 / 2, -7 % 2, 7 / 2.0, 1e0 / 0, 0e0 / 0", [("3", "-3", "-1", "3.5", "Infinity", "NaN")]),
        ("SELECT true OR null, false AND null, NOT null, null = null", [("true", "false", None, None)]),
        ("SELECT 1 IN (1, 2.0), 3 NOT IN (1, 2), 'a' IN ('A')", [("true", "true", "false")]),
        ("SELECT 1 IS DISTINCT FROM null, null IS NOT DISTINCT FROM null", [("true", "true")]),
        (
            "SELECT greatest(1, 2.5), greatest(1, null), least(3, 2, 1), nullif(1, 1), if(false, 1)",
            [("2.5", None, "1", None, None)],
        ),
        ("SELECT a.host, b.host FROM db.t a JOIN db.t b ON a.temp + 1 = b.temp AND a.region <> b.region", [("b", "c")]),
        ("SELECT count(*) FROM db.t a LEFT JOIN db.t b ON a.temp = b.temp + 100 WHERE b.host IS NULL", [("6",)]),
        ("SELECT count(*) FROM db.t a, db.t b", [("36",)]),
        ("SELECT x FROM (SELECT max(temp) x FROM db.t) WHERE x > 1", [("6.0",)]),
        (
            "WITH m AS (SELECT host h, max(n) x FROM db.t GROUP BY 1) SELECT h FROM m WHERE x = (SELECT max(x) FROM m)",
            [("c",)],
        ),
        ("WITH v(a, b) AS (SELECT 1, 'x') SELECT b, v.a FROM v", [("x", "1")]),
        (
            "SELECT host FROM db.t o WHERE temp = (SELECT max(temp) FROM db.t i WHERE i.region = o.region) ORDER BY 1",
            [("b",), ("c",)],
        ),
        (
            "SELECT region FROM db.t WHERE EXISTS (SELECT 1 FROM db.t WHERE temp > 5.5) GROUP BY region ORDER BY 1",
            [("eu",), ("us",)],
        ),
        ("SELECT host FROM db.t WHERE host IN (SELECT host FROM db.t WHERE temp > 5) GROUP BY host", [("c",)]),
        ("SELECT region FROM db.t EXCEPT SELECT 'eu'", [("us",)]),
        ("SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x DESC", [("2.5",), ("1.0",)]),
        ('SELECT "db"."t"."host", t.temp FROM db.t ORDER BY t.temp LIMIT 1', [("a", "1.0")]),
        ("SELECT host -- the host\nFROM db.t /* of */ WHERE temp < 2;", [("a",)]),
        ("SELECT host FROM db.t desc LIMIT 0", []),
        (
            "SELECT substr('hello', 2), substr('hello', -3, 2), strpos('hello', 'l'), split_part('a-b', '-', 3)",
            [("ello", "ll", "3", None)],
        ),
        (
            "SELECT cast(2.5 as bigint), cast(-2.5 as integer), cast('1e3' as double), cast(true as varchar)",
            [("3", "-3", "1000.0", "true")],
        ),
        ("SELECT try(1 / (n - n)), try_cast('x' AS bigint) FROM db.t WHERE n = 4", [(None, None)]),
        (
            "SELECT min_by(host, temp), max_by(temp, host), arbitrary(region) FROM db.t WHERE region = 'us'",
            [("c", None, "us")],
        ),
    ],
)
def test_a_query_gives_these_rows(hosts: Database, text: str, rows: list[tuple[str | None, ...]] | None) -> None:
    found = hosts.rows(text)

    if rows is None:
        assert found == [("1.0",), ("2.5",)]
    elif "max_by" in text:
        assert found[0][0] == "c"
        assert found[0][1] in {"5.0", "6.0"}
    else:
        assert found == rows


def test_columns_without_a_name_are_counted_and_star_keeps_the_order(hosts: Database) -> None:
    result = hosts.ask("SELECT *, 1, temp + 1, t.host FROM db.t")

    names = [column.name for column in result.columns]
    assert names == ["host", "region", "measure_name", "time", "temp", "n", "_col6", "_col7", "host"]


def test_a_table_without_rows_has_its_pseudo_columns(hosts: Database) -> None:
    from store.catalog.catalog import TableSettings
    from store.record import TableId

    hosts.store.catalog.create_table(TableId("acme", "db", "fresh"), TableSettings())

    assert hosts.rows("SELECT * FROM db.fresh") == []
    assert hosts.rows("DESCRIBE db.fresh") == [
        ("measure_name", "varchar", "MEASURE_NAME"),
        ("time", "timestamp", "TIMESTAMP"),
    ]


@pytest.mark.parametrize("count", [5, 6, 7])
def test_rows_beyond_the_maximum_are_cut_off_and_truncated_is_set(hosts: Database, count: int) -> None:
    for text in ("SELECT temp FROM db.t ORDER BY temp", "SELECT temp FROM db.t ORDER BY temp LIMIT 100"):
        result = hosts.ask(text, max_rows=count)

        assert len(result) == min(count, 6)
        assert result.truncated is (count < 6)
        assert [row[0] for row in result.rows()] == [f"{number + 1}.0" for number in range(min(count, 6))]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (21.5, "21.5"),
        (1655487883.7710001, "1.6554878837710001E9"),
        (1e7, "1.0E7"),
        (9999999.0, "9999999.0"),
        (1e-3, "0.001"),
        (0.00099, "9.9E-4"),
        (-1e300, "-1.0E300"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_doubles_are_written_as_java_does(value: float, text: str) -> None:
    assert format_double(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_double_reads_back_as_itself(value: float) -> None:
    text = format_double(value)

    assert float(text) == value
    mantissa, _, exponent = text.lstrip("-").partition("E")
    assert "." in mantissa
    assert not exponent or len(mantissa.partition(".")[0]) == 1
