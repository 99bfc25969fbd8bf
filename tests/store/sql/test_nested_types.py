"""Arrays, rows, lambdas and UNNEST have Trino's results, also for nulls and places outside of an array."""

import pytest
from shown import shown, value_of
from sql_database import Database

from store.sql import SqlError


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ARRAY[1, 2.5]", "[ 1.0,2.5 ]"),
        ("ARRAY[]", "[  ]"),
        ("ARRAY[NULL, 1]", "[ None,1 ]"),
        ("ARRAY[ARRAY[1], ARRAY[]]", "[ [ 1 ],[  ] ]"),
        ("ARRAY[DATE '2020-01-01', TIMESTAMP '2020-01-02 03:00:00'][1]", "2020-01-01 00:00:00.000000000"),
        ("ARRAY[5, 6, 7][2]", "6"),
        ("element_at(ARRAY[5, 6], -1)", "6"),
        ("element_at(ARRAY[5, 6], 3)", None),
        ("cardinality(ARRAY[1, NULL])", "2"),
        ("array_distinct(ARRAY[3, NULL, 3, 1, NULL])", "[ 3,None,1 ]"),
        ("array_union(ARRAY[1, 3, 3], ARRAY[3, 2])", "[ 1,3,2 ]"),
        ("array_intersect(ARRAY[3, 1, 3], ARRAY[3, 4])", "[ 3 ]"),
        ("array_except(ARRAY[1, 2, 2, 3], ARRAY[3])", "[ 1,2 ]"),
        ("array_except(ARRAY[1], CAST(NULL AS ARRAY(INTEGER)))", None),
        ("array_join(ARRAY[1, NULL, 3], '-')", "1-3"),
        ("array_join(ARRAY[1.5, NULL], '-', 'x')", "1.5-x"),
        ("array_max(ARRAY[1, 3, 2])", "3"),
        ("array_max(ARRAY[1, NULL])", None),
        ("array_min(ARRAY['b', 'a'])", "a"),
        ("array_position(ARRAY[5, 6], 7)", "0"),
        ("array_remove(ARRAY[1, 2, NULL, 1], 1)", "[ 2,None ]"),
        ("array_sort(ARRAY[3, NULL, 1])", "[ 1,3,None ]"),
        ("arrays_overlap(ARRAY[1, 2], ARRAY[2])", "true"),
        ("arrays_overlap(ARRAY[1, NULL], ARRAY[2])", None),
        ("contains(ARRAY[1, 2], 2)", "true"),
        ("contains(ARRAY[1, NULL], 2)", None),
        ("concat(ARRAY[1], ARRAY[2], ARRAY[3])", "[ 1,2,3 ]"),
        ("ARRAY[1] || ARRAY[2]", "[ 1,2 ]"),
        ("ARRAY[1] || 2", "[ 1,2 ]"),
        ("0 || ARRAY[1]", "[ 0,1 ]"),
        ("flatten(ARRAY[ARRAY[1], ARRAY[2, 3]])", "[ 1,2,3 ]"),
        ("repeat('x', 2)", "[ x,x ]"),
        ("repeat(CAST(NULL AS INTEGER), 2)", "[ None,None ]"),
        ("reverse(ARRAY[1, 2])", "[ 2,1 ]"),
        ("sequence(3, 1)", "[ 3,2,1 ]"),
        ("sequence(1, 6, 2)", "[ 1,3,5 ]"),
        ("sequence(DATE '2020-01-30', DATE '2020-02-01')", "[ 2020-01-30,2020-01-31,2020-02-01 ]"),
        (
            "sequence(TIMESTAMP '2020-01-31 01:00:00', TIMESTAMP '2020-03-31 01:00:00', 1month)",
            "[ 2020-01-31 01:00:00.000000000,2020-02-29 01:00:00.000000000,2020-03-31 01:00:00.000000000 ]",
        ),
        ("cardinality(shuffle(ARRAY[1, 2, 3]))", "3"),
        ("slice(ARRAY[1, 2, 3], -2, 5)", "[ 2,3 ]"),
        ("slice(ARRAY[1, 2, 3], 2, 0)", "[  ]"),
        ("zip(ARRAY[1, 2], ARRAY['a'])", "[ ( 1,a ),( 2,None ) ]"),
        ("split('a.b.c', '.', 2)", "[ a,b.c ]"),
        ("regexp_extract_all('1a 2b', '(\\d)([a-z])', 2)", "[ a,b ]"),
        ("regexp_split('1, 2,3', ',\\s*')", "[ 1,2,3 ]"),
        ("ROW(1, 'a')", "( 1,a )"),
        ("(1, NULL)", "( 1,None )"),
        ("ROW(1, 'a') = (1, 'a')", "true"),
        ("(1, 2) IN ((1, 2), (3, 4))", "true"),
        ("CAST(ROW(1, '2') AS ROW(a DOUBLE, b BIGINT)).b", "2"),
        ("CAST(ARRAY[1, 2] AS ARRAY(VARCHAR))", "[ 1,2 ]"),
        ("TRY_CAST(ARRAY['1', 'x'] AS ARRAY(INTEGER))", None),
        ("typeof(ARRAY[ROW(1, 'a')])", "array(row(integer, varchar))"),
        ("filter(ARRAY[1, 5, NULL], x -> x > 2)", "[ 5 ]"),
        ("transform(ARRAY[1, 2], x -> x * 2.5)", "[ 2.5,5.0 ]"),
        ("transform(ARRAY[1, 2], x -> filter(ARRAY[1, 2], y -> y > x))", "[ [ 2 ],[  ] ]"),
        ("any_match(ARRAY[1, NULL], x -> x > 1)", None),
        ("all_match(ARRAY[2, NULL], x -> x > 2)", "false"),
        ("none_match(ARRAY[1, 2], x -> x > 2)", "true"),
        ("reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> s)", "6"),
        ("reduce(ARRAY[5, 20], 0.0, (s, x) -> s + x, s -> s / 2)", "12.5"),
        ("reduce(CAST(NULL AS ARRAY(INTEGER)), 0, (s, x) -> s + x, s -> s)", None),
        (
            (
                "reduce(ARRAY[5, 20, 50], CAST(ROW(0.0, 0) AS ROW(sum DOUBLE, count INTEGER)), (s, x) -> "
                "CAST(ROW(x + s.sum, s.count + 1) AS ROW(sum DOUBLE, count INTEGER)), s -> s.sum / s.count)"
            ),
            "25.0",
        ),
        ("SELECT array_agg(x ORDER BY x DESC) FROM (VALUES 1, 3, NULL) AS t(x)", "[ 3,1,None ]"),
        ("SELECT max(x, 2) FROM (VALUES 1, 3, 2) AS t(x)", "[ 3,2 ]"),
        ("SELECT min_by(x, y, 2) FROM (VALUES ('a', 3), ('b', 1), ('c', 2)) AS t(x, y)", "[ b,c ]"),
    ],
)
def test_an_expression_has_this_value(empty: Database, expression: str, expected: str | None) -> None:
    assert value_of(empty, expression) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ARRAY[1, 'a']", "line 1:14: ARRAY cannot be applied to integer, varchar"),
        ("ARRAY[1][2]", "Array subscript must be less than or equal to array length: 2 > 1"),
        ("ARRAY[1][0]", "SQL array indices start at 1"),
        ("element_at(ARRAY[1], 0)", "SQL array indices start at 1"),
        ("sequence(1, 20000)", "result of sequence function must not have more than 10000 entries"),
        ("sequence(1, 5, -1)", "sequence stop value should be greater than or equal to start value"),
        ("CAST(ROW(1) AS ROW(a BIGINT)).b", "row(a bigint) has no field 'b'"),
        ("filter(ARRAY[1], x -> x + 1)", "filter needs a boolean, and this is integer"),
        ("filter(ARRAY[1], (x, y) -> true)", "a lambda of 1 parameters is needed, and this has 2"),
        ("filter(5, x -> true)", "filter takes an array or a time series, and this is integer"),
        ("abs(x -> x)", "a lambda is an argument of filter, transform"),
        ("transform(ARRAY[1], x -> y)", "Column 'y' does not exist"),
        ("map(ARRAY['a'], ARRAY[1])['b']", "Key not present in map: b"),
        ("map(ARRAY['a', 'a'], ARRAY[1, 2])", "Duplicate map keys (a) are not allowed"),
        (
            "map(ARRAY[ARRAY[1]], ARRAY[1])",
            "Unexpected parameters (array(array(integer)), array(integer)) for function map",
        ),
        (
            "map_concat(map(), map()) < NULL",
            "Type map(unknown, unknown) is not orderable, and therefore cannot be used in '<'",
        ),
        (
            "SELECT m FROM (VALUES map()) AS t(m) ORDER BY 1",
            "is not orderable, and therefore cannot be used in ORDER BY",
        ),
        (
            "transform_keys(map(), (k, v) -> ARRAY[1])",
            "the keys of a map are of a scalar type, and this is array(integer)",
        ),
        ("map_filter(ARRAY[1], (k, v) -> true)", "map_filter takes a map, and this is array(integer)"),
        ("map_filter(map(), k -> true)", "a lambda of 2 parameters is needed, and this has 1"),
        ("transform(ARRAY[1], x -> x IN (SELECT 1))", "Lambda expression cannot contain subqueries"),
        ("try(sum(1))", "TRY around an aggregate or a window function (put it in a subquery) is not offered"),
    ],
)
def test_a_wrong_expression_says_what_is_wrong(empty: Database, expression: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        value_of(empty, expression)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT * FROM UNNEST(ARRAY[1, 2]) AS t(x) ORDER BY x", [("1",), ("2",)]),
        (
            (
                "SELECT z, x, y, n FROM (VALUES 7) AS s(z) "
                "CROSS JOIN UNNEST(ARRAY[1, 2], ARRAY['a']) WITH ORDINALITY AS t(x, y, n) ORDER BY n"
            ),
            [("7", "1", "a", "1"), ("7", "2", None, "2")],
        ),
        (
            "SELECT i, x FROM (VALUES (1, ARRAY[5]), (2, ARRAY[])) AS s(i, a) CROSS JOIN UNNEST(a) AS t(x)",
            [("1", "5")],
        ),
        (
            (
                "SELECT i, x FROM (VALUES (1, ARRAY[5]), (2, ARRAY[])) AS s(i, a) "
                "LEFT JOIN UNNEST(a) AS t(x) ON true ORDER BY i"
            ),
            [("1", "5"), ("2", None)],
        ),
        ("SELECT a, b FROM UNNEST(ARRAY[ROW(1, 'x'), ROW(2, 'y')]) AS t(a, b) ORDER BY 1", [("1", "x"), ("2", "y")]),
        ("SELECT i, a[1] FROM (VALUES (1, ARRAY['x'])) AS t(i, a) GROUP BY i, a", [("1", "x")]),
    ],
)
def test_unnest_makes_rows(empty: Database, text: str, rows: list[tuple[str | None, ...]]) -> None:
    assert [tuple(map(shown, row)) for row in empty.rows(text)] == rows


def nested(before: str, after: str, times: int, middle: str = "1") -> str:
    return f"{before * times}{middle}{after * times}"


@pytest.mark.parametrize(
    "expression",
    [
        f"{nested('ARRAY[', ']', 9)} = {nested('ARRAY[', ']', 9)}",
        f"{nested('ROW(', ')', 9)} = {nested('ROW(', ')', 9)}",
        f"CAST({nested('ROW(', ')', 9)} AS {nested('ROW(', ')', 9, 'BIGINT')}) IS NOT NULL",
        f"CAST({nested('ARRAY[', ']', 9)} AS {nested('ARRAY(', ')', 9, 'VARCHAR')}) IS NOT NULL",
        f"{nested('ARRAY[', ']', 9)}{'[1]' * 9} = 1",
        f"{nested('slice(', ', 1, 1)', 30, 'ARRAY[1, 2]')} = ARRAY[1]",
        f"{nested('array_distinct(', ')', 30, 'ARRAY[1, 1]')} = ARRAY[1]",
        f"{nested('transform(ARRAY[1], x -> ', ')', 9)} IS NOT NULL",
        nested("any_match(ARRAY[1], x -> ", ")", 10, "true"),
        f"{nested('zip_with(ARRAY[1], ', ', (x, y) -> x)', 20, 'ARRAY[1]')} = ARRAY[1]",
        f"cardinality({nested('map_concat(map(), ', ')', 20, 'map(ARRAY[1], ARRAY[1])')}) = 1",
        f"cardinality({nested('transform_keys(', ', (k, v) -> k)', 20, 'map(ARRAY[1], ARRAY[1])')}) = 1",
        f"cardinality({nested('map_zip_with(', ', map(), (k, v, w) -> k)', 9, 'map(ARRAY[1], ARRAY[1])')}) = 1",
        f"{nested('element_at(map(ARRAY[1], ARRAY[', ']), 1)', 8)} = 1",
        f"{nested('try(element_at(ARRAY[1], ', '))', 10)} = 1",
    ],
)
def test_what_is_nested_is_answered(empty: Database, expression: str) -> None:
    assert value_of(empty, expression) == "true"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (nested("ARRAY[", "]", 11), "arrays and rows within each other deeper than 10 levels"),
        (nested("ROW(", ")", 11), "arrays and rows within each other deeper than 10 levels"),
        (nested("map(ARRAY[1], ARRAY[", "])", 6), "arrays and rows within each other deeper than 10 levels"),
        *(
            (text, "lambdas within each other with more than 10 parameters together")
            for text in (
                nested("transform(ARRAY[1], x -> ", ")", 11),
                nested("zip_with(ARRAY[1], ARRAY[2], (x, y) -> ", ")", 6),
                nested("regexp_replace('a', '(a)', x -> ", ")", 6, "'b'"),
                nested("try(element_at(ARRAY[1], ", "))", 11),
                nested("try(transform(ARRAY[1], x -> ", "))", 6),
            )
        ),
    ],
)
def test_what_is_nested_too_deeply_is_refused(empty: Database, expression: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        value_of(empty, expression)

    assert message in str(caught.value)
