"""Grouping sets, joins by name, named windows, frames of values, FETCH, and comparisons with ALL and ANY."""

import pytest
from shown import shown
from sql_database import Database

NUMBERS = "(VALUES 1, 2, 4) AS t(x)"
TWICE = "(VALUES 1, 2, 2, 3) AS t(x)"
TIMES = """(VALUES TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP '2020-01-01 00:01:00',
    TIMESTAMP '2020-01-01 00:02:01') AS p(t)"""
AB = "(VALUES (1, 'x', 2), (1, 'y', 3), (2, 'x', 4)) AS t(a, b, c)"


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
