"""Window functions, FILTER, formats, regular expressions and unions have the results in the reference."""

import pytest
from sql_database import NOW_NS, Database

from store.endpoint import WriteRecord
from store.record import MeasureType
from store.sql.like import Like

NS_PER_S = 1_000_000_000
FROM = 'FROM "db"."t"'


@pytest.fixture(scope="module")
def filled(asked: Database) -> Database:
    """Hosts a and b with temperatures 1, 2, 3 and 10, 20 a second apart."""
    readings = [("a", 0, 1.0), ("a", 1, 2.0), ("a", 2, 3.0), ("b", 0, 10.0), ("b", 1, 20.0)]
    asked.write(
        "db",
        "t",
        [
            WriteRecord((("host", host),), "m", NOW_NS + at * NS_PER_S, 1, (("temp", MeasureType.DOUBLE, value),))
            for host, at, value in readings
        ],
    )
    return asked


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("row_number() OVER (PARTITION BY host ORDER BY time DESC)", ["3", "2", "1", "2", "1"]),
        ("lag(temp) OVER (PARTITION BY host ORDER BY time)", [None, "1.0", "2.0", None, "10.0"]),
        ("lead(temp, 1, 0.5) OVER (PARTITION BY host ORDER BY time)", ["2.0", "3.0", "0.5", "20.0", "0.5"]),
        ("sum(temp) OVER (PARTITION BY host ORDER BY time)", ["1.0", "3.0", "6.0", "10.0", "30.0"]),
        (
            "sum(temp) OVER (PARTITION BY host ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
            ["1.0", "3.0", "5.0", "10.0", "30.0"],
        ),
        ("count_if(temp > 1) OVER (PARTITION BY host)", ["2", "2", "2", "2", "2"]),
        ("count(*) FILTER (WHERE temp > 1) OVER (PARTITION BY host)", ["2", "2", "2", "2", "2"]),
        ("rank() OVER (ORDER BY host)", ["1", "1", "1", "4", "4"]),
        (
            "last_value(if(temp < 3, temp)) IGNORE NULLS OVER (PARTITION BY host ORDER BY time)",
            ["1.0", "2.0", "2.0", None, None],
        ),
    ],
)
def test_a_window_function_sees_the_rows_around_each_row(filled: Database, expression: str, values: list[str]) -> None:
    assert [row[2] for row in filled.rows(f"SELECT host, time, {expression} AS x {FROM} ORDER BY 1, 2")] == values


def test_the_latest_row_of_each_series_is_found_by_its_number(filled: Database) -> None:
    numbered = f"SELECT host, temp, row_number() OVER (PARTITION BY host ORDER BY time DESC) AS rn {FROM}"

    assert filled.rows(f"SELECT host, temp FROM ({numbered}) WHERE rn = 1 ORDER BY host") == [
        ("a", "3.0"),
        ("b", "20.0"),
    ]


def test_a_window_over_groups_is_of_their_aggregates(filled: Database) -> None:
    text = f"SELECT host, rank() OVER (ORDER BY count(*) DESC), sum(sum(temp)) OVER () {FROM} GROUP BY host ORDER BY 1"

    assert filled.rows(text) == [("a", "1", "36.0"), ("b", "2", "36.0")]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("count(*) FILTER (WHERE temp > 1)", "4"),
        ("sum(temp) FILTER (WHERE host = 'b')", "30.0"),
        ("count_if(temp > 1) FILTER (WHERE host = 'a') + 1", "3"),
        ("count(DISTINCT host) FILTER (WHERE temp < 5)", "1"),
        ("max_by(host, temp) FILTER (WHERE temp < 5)", "a"),
        ("approx_percentile(temp, 1.0)", "20.0"),
    ],
)
def test_filter_leaves_rows_out_of_one_aggregate(filled: Database, expression: str, value: str) -> None:
    assert filled.value(f"SELECT {expression} {FROM}") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SELECT sign(-3)", "-1"),
        ("SELECT sign(-3.5)", "-1.0"),
        ("SELECT date_format(TIMESTAMP '2026-03-07 16:05:09', '%d/%c/%y %T %p %M %%')", "07/3/26 16:05:09 PM March %"),
        ("SELECT date_parse('07/03/2026', '%d/%m/%Y')", "2026-03-07 00:00:00.000000000"),
        ("SELECT to_iso8601(TIMESTAMP '2026-03-07 16:05:09.5')", "2026-03-07T16:05:09.500000000Z"),
        ("SELECT to_iso8601(DATE '2026-03-07')", "2026-03-07"),
        ("SELECT from_iso8601_timestamp('2026-03-07T16:05:09.25+02:00')", "2026-03-07 14:05:09.250000000"),
        ("SELECT from_iso8601_timestamp(lower('2026-03-07') || 'T16:05:09Z')", "2026-03-07 16:05:09.000000000"),
        ("SELECT from_iso8601_date('2026-03-07')", "2026-03-07"),
        ("SELECT TIMESTAMP '2026-03-07T16:05:09Z'", "2026-03-07 16:05:09.000000000"),
        ("SELECT regexp_like('h-1', '^h-[01]$')", "true"),
        ("SELECT regexp_extract('gh-07/north', '(\\d+)/(.*)', 2)", "north"),
        ("SELECT regexp_extract('north', '\\d')", None),
        ("SELECT regexp_replace('a1b2', '(\\d)', '<$1>')", "a<1>b<2>"),
        ("SELECT regexp_replace('a1', '\\d', '\\$x')", "a$x"),
        ("SELECT lpad('7', 3, '0') || rpad('7', 3, '0')", "007700"),
        ("SELECT codepoint(chr(176))", "176"),
    ],
)  # fmt: skip
def test_a_function_gives_what_the_reference_says(empty: Database, text: str, value: str | None) -> None:
    assert empty.value(text) == value


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT 1 AS a UNION ALL SELECT NULL", [("1",), (None,)]),
        ("SELECT NULL AS a UNION ALL SELECT 'x'", [(None,), ("x",)]),
        (
            "SELECT DATE '2026-03-07' AS a UNION ALL SELECT TIMESTAMP '2026-03-08 01:00:00'",
            [("2026-03-07 00:00:00.000000000",), ("2026-03-08 01:00:00.000000000",)],
        ),
        ("SELECT 1 AS a UNION ALL SELECT 2.5", [("1.0",), ("2.5",)]),
        ("SELECT 1 AS a WHERE TIMESTAMP '2026-03-07' IN (SELECT DATE '2026-03-07')", [("1",)]),
        ("SELECT * FROM (VALUES 1, 2, 3) AS t(a) ORDER BY a OFFSET 1 LIMIT 1", [("2",)]),
        ("SELECT 1 AS a UNION SELECT 2 ORDER BY a OFFSET 1", [("2",)]),
    ],
)
def test_parts_of_a_union_become_one_type(empty: Database, text: str, rows: list[tuple[str | None]]) -> None:
    assert sorted(empty.rows(text), key=str) == sorted(rows, key=str)


def test_a_column_is_found_in_any_case_if_it_is_one(filled: Database) -> None:
    assert filled.ask(f"SELECT HOST, Temp {FROM} LIMIT 1").columns[0].name == "host"


@pytest.mark.parametrize(
    ("like", "matching", "other"),
    [
        (Like("a%"), ["a", "ab", "a\nb"], ["b", "ba", ""]),
        (Like("%a%b"), ["ab", "xaxb", "abb"], ["ba", "abx"]),
        (Like("a_c"), ["abc", "a°c"], ["ac", "abbc"]),
        (Like("a!_c", "!"), ["a_c"], ["abc"]),
        (Like("!!%", "!"), ["!", "!x"], ["x"]),
        (Like("%" * 40 + "x"), ["x", "a" * 200 + "x"], ["a" * 200]),
        (Like("%a" * 20 + "%x"), ["a" * 20 + "x"], ["a" * 250]),
        (Like(""), [""], ["a"]),
    ],
    ids=str,
)
def test_a_like_pattern_takes_these_names_and_not_those(like: Like, matching: list[str], other: list[str]) -> None:
    assert [name for name in [*matching, *other] if like.matches(name)] == matching


def test_show_takes_a_pattern_with_an_escape(filled: Database) -> None:
    filled.write("db", "t_1", [WriteRecord((("h", "a"),), "m", NOW_NS, 1, (("x", MeasureType.DOUBLE, 1.0),))])

    assert filled.rows("SHOW TABLES FROM db LIKE 't!_%' ESCAPE '!'") == [("t_1",)]
