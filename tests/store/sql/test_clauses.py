"""Grouping sets, joins by name, named windows, frames of values, FETCH, and comparisons with ALL and ANY."""

import pytest
from shown import shown
from sql_database import NOW_NS, Database

from store.endpoint import WriteRecord
from store.record import MeasureType
from store.sql import SqlError

NUMBERS = "(VALUES 1, 2, 4) AS t(x)"
TWICE = "(VALUES 1, 2, 2, 3) AS t(x)"
TIMES = """(VALUES TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP '2020-01-01 00:01:00',
    TIMESTAMP '2020-01-01 00:02:01') AS p(t)"""
AB = "(VALUES (1, 'x', 2), (1, 'y', 3), (2, 'x', 4)) AS t(a, b, c)"


@pytest.fixture(scope="module")
def filled(asked: Database) -> Database:
    """Hosts a and b with the numbers 1 and 2, 3."""
    values = [("a", 0, 1), ("b", 0, 2), ("b", 1, 3)]
    asked.write(
        "db",
        "t",
        [
            WriteRecord((("host", host),), "m", NOW_NS + at, 1, (("n", MeasureType.BIGINT, number),))
            for host, at, number in values
        ],
    )
    return asked


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            """SELECT h, u.most FROM (VALUES 'a', 'b', 'c') AS s(h)
            CROSS JOIN LATERAL (SELECT max(n) AS most FROM db.t WHERE host = s.h) AS u ORDER BY h""",
            [("a", "1"), ("b", "3"), ("c", None)],
        ),
        (
            "SELECT a.host, a.n, b.n FROM db.t AS a, LATERAL (SELECT n FROM db.t WHERE host = a.host AND n > a.n) AS b",
            [("b", "2", "3")],
        ),
        (
            "SELECT host, x FROM db.t LEFT JOIN LATERAL (SELECT n AS x WHERE n > 2) AS u ON true ORDER BY n",
            [("a", None), ("b", None), ("b", "3")],
        ),
        ("SELECT n FROM db.t TABLESAMPLE BERNOULLI (100) ORDER BY n", [("1",), ("2",), ("3",)]),
        ("SELECT n FROM db.t AS a TABLESAMPLE SYSTEM (0)", []),
        ("SELECT count(*) FROM (SELECT n FROM db.t) AS a TABLESAMPLE BERNOULLI (100)", [("3",)]),
        (
            "SELECT host FROM db.t WHERE (host, n) IN (SELECT host, max(n) FROM db.t GROUP BY host) ORDER BY 1",
            [("a",), ("b",)],
        ),
        ("SELECT n FROM db.t WHERE (host, n) NOT IN (SELECT host, max(n) FROM db.t GROUP BY host)", [("2",)]),
        ("SELECT n FROM db.t WHERE n >= ALL (VALUES 2, 3)", [("3",)]),
        (
            "SELECT listagg(CAST(n AS VARCHAR), '+') WITHIN GROUP (ORDER BY n DESC) FROM db.t GROUP BY host ORDER BY 1",
            [("1",), ("3+2",)],
        ),
    ],
)
def test_a_clause_over_a_table_has_this_result(filled: Database, text: str, rows: list[tuple[str | None, ...]]) -> None:
    assert [tuple(map(shown, row)) for row in filled.rows(text)] == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1 FROM db.t RIGHT JOIN LATERAL (SELECT 1) AS u ON true", "LATERAL is joined by CROSS JOIN"),
        ("SELECT 1 FROM db.t TABLESAMPLE BERNOULLI (101)", "TABLESAMPLE takes a constant percentage from 0 to 100"),
        ("SELECT listagg(host) FROM db.t", "listagg needs WITHIN GROUP (ORDER BY …)"),
        ("SELECT sum(n) WITHIN GROUP (ORDER BY n) FROM db.t", "sum takes no WITHIN GROUP (ORDER BY …)"),
        ("SELECT listagg(host, host) WITHIN GROUP (ORDER BY n) FROM db.t", "listagg takes a constant delimiter"),
        ("SELECT lower(host) WITHIN GROUP (ORDER BY n) FROM db.t", "WITHIN GROUP stands after an aggregate"),
        (
            "SELECT sum(n) OVER (ORDER BY time RANGE 5 PRECEDING) FROM db.t",
            "a RANGE over timestamp takes a constant interval",
        ),
        ("SELECT sum(n) OVER (ORDER BY n RANGE 5m PRECEDING) FROM db.t", "a RANGE over bigint takes a constant number"),
        (
            "SELECT sum(n) OVER (ORDER BY date(time) RANGE 5m PRECEDING) FROM db.t",
            "a RANGE over dates takes whole days",
        ),
        ("SELECT sum(n) OVER (ORDER BY n, time RANGE 5 PRECEDING) FROM db.t", "needs an ORDER BY of one key"),
        ("SELECT n FROM db.t GROUP BY CUBE(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)", "more than 2048 grouping sets"),
    ],
)
def test_a_wrong_clause_says_what_is_wrong(filled: Database, text: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        filled.rows(text)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            f"SELECT a, b, sum(c), grouping(a, b) FROM {AB} GROUP BY ROLLUP(a, b) ORDER BY 4, 1, 2",
            [
                *(("1", "x", "2", "0"), ("1", "y", "3", "0"), ("2", "x", "4", "0")),
                *(("1", None, "5", "1"), ("2", None, "4", "1"), (None, None, "9", "3")),
            ],
        ),
        (
            f"SELECT a, sum(c) FROM {AB} GROUP BY GROUPING SETS ((a), ()) ORDER BY 1",
            [("1", "5"), ("2", "4"), (None, "9")],
        ),
        (f"SELECT count(*) FROM (SELECT a, b FROM {AB} GROUP BY CUBE(a, b))", [("8",)]),
        (f"SELECT a, count(*) FROM {AB} GROUP BY (a) ORDER BY 1", [("1", "2"), ("2", "1")]),
        (f"SELECT count(*) FROM {AB} GROUP BY ()", [("3",)]),
        ("SELECT * FROM (VALUES (1, 2)) AS t(a, b) JOIN (VALUES (1, 3)) AS u(a, c) USING (a)", [("1", "2", "3")]),
        ("SELECT a, t.a FROM (VALUES (1, 2)) AS t(a, b) JOIN (VALUES (1, 3)) AS u(a, c) USING (a)", [("1", "1")]),
        (
            "SELECT a, b, c FROM (VALUES (1, 2)) AS t(a, b) FULL JOIN (VALUES (2, 3)) AS u(a, c) USING (a) ORDER BY a",
            [("1", "2", None), ("2", None, "3")],
        ),
        ("SELECT * FROM (VALUES (1, 2)) AS t(a, b) NATURAL JOIN (VALUES (3, 1)) AS u(c, a)", [("1", "2", "3")]),
        ("SELECT sum(x) OVER w FROM (VALUES 1, 2) AS t(x) WINDOW w AS (ORDER BY x) ORDER BY 1", [("1",), ("3",)]),
        (
            f"SELECT sum(x) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM {NUMBERS} ORDER BY x",
            [("1",), ("3",), ("4",)],
        ),
        (
            f"SELECT count(*) OVER (ORDER BY t RANGE BETWEEN 1m PRECEDING AND CURRENT ROW) FROM {TIMES} ORDER BY t",
            [("1",), ("2",), ("1",)],
        ),
        (
            f"SELECT sum(x) OVER (ORDER BY x GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM {TWICE} ORDER BY x",
            [("1",), ("5",), ("5",), ("7",)],
        ),
        ("SELECT x FROM (VALUES 3, 1, 2) AS t(x) ORDER BY x OFFSET 1 FETCH FIRST 1 ROW ONLY", [("2",)]),
        ("SELECT x FROM (VALUES 3, 1, 2) AS t(x) ORDER BY x FETCH FIRST ROW ONLY", [("1",)]),
        ("SELECT 3 > ALL (SELECT x FROM (VALUES 1, 2) AS t(x)), 3 = ANY (SELECT 1)", [("true", "false")]),
        ("SELECT x FROM (VALUES 1, 5) AS t(x) WHERE x >= SOME (SELECT 4)", [("5",)]),
    ],
)
def test_a_clause_has_this_result(empty: Database, text: str, rows: list[tuple[str | None, ...]]) -> None:
    assert [tuple(map(shown, row)) for row in empty.rows(text)] == rows
