"""A statement is judged without its tables: as it would be where they have what it asks of them."""

from __future__ import annotations

import pytest

from store.sql.judging import judge

NOW_NS = 1_763_892_000 * 10**9


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SHOW TABLES",
        'DESCRIBE "f"."c"',
        'SELECT bin(time, 5m) AS t, avg(temperature) FROM "f"."c" WHERE time > ago(1h) GROUP BY 1 ORDER BY t',
        "SELECT avg(measure_value::double) FROM f.c WHERE measure_name = 'cpu' AND host IN ('a', 'b')",
        'WITH a AS (SELECT s, max_by(v, time) AS v FROM "f"."c" GROUP BY s) SELECT a.s, v * 1.8 FROM a WHERE v > 3',
        'SELECT humidity + temperature * 2, is_on AND is_off, sqrt(x), region || \'a\' FROM "f"."c"',
        'SELECT a.x, b.y FROM "f"."c" a JOIN "f"."d" b ON a.id = b.id',
        'SELECT interpolate_linear(create_time_series(time, v), sequence(min(time), max(time), 15s)) FROM "f"."c"',
        "SELECT x FROM f.c WHERE date_trunc('day', ts) = current_date AND n % 2 = 0",
        "UNLOAD (SELECT a, t FROM \"f\".\"c\") TO 's3://b/p' WITH (format='CSV')",
        'SELECT * FROM "f"."c" WHERE time > @scheduled_runtime AND v > @limit',
        'EXPLAIN SELECT v FROM "f"."c"',
    ],
)
def test_what_would_run_is_judged_so(text: str) -> None:
    assert judge(text, NOW_NS).error is None


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("SELEC 1", 1, "mismatched input 'SELEC'"),
        ('SELECT v,\n  nosuch(x) FROM "f"."c"', 2, "Function 'nosuch' does not exist"),
        ("INSERT INTO x VALUES (1)", 1, "mismatched input"),
        ('SELECT v FROM "f"."c" GROUP BY s', 1, "v"),
        ("SELECT v FROM c", 1, "not qualified"),
        ("SELECT 'a' + 1", 1, "+"),
    ],
)
def test_what_would_not_run_is_told_with_its_line(text: str, line: int, told: str) -> None:
    judged = judge(text, NOW_NS)

    assert judged.error is not None
    assert judged.is_sure
    assert judged.error.line == line
    assert told in judged.error.message


def test_types_that_no_column_can_have_are_not_a_sure_reason() -> None:
    judged = judge('SELECT sqrt(v), substr(v, 1) FROM "f"."c"', NOW_NS)

    assert judged.error is not None
    assert not judged.is_sure


def test_the_tables_are_those_that_it_reads() -> None:
    assert judge('SELECT a.x FROM "f"."c" a, "g"."d"', NOW_NS).tables == (("f", "c"), ("g", "d"))
