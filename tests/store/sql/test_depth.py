"""Text as programs write it, nested a hundred levels deep and 20,000 values long, is answered like any other."""

import random
import re
from pathlib import Path

import pytest
from sql_database import NOW_NS, Database

from store.endpoint import WriteRecord
from store.record import MeasureType
from store.sql import SqlError
from tests.support.examples import some

LEVELS = 100
ALL = ["1.0", "2.0", "3.0", "4.0", "5.0"]
OF = "FROM db.t"


@pytest.fixture(scope="module")
def filled(asked: Database) -> Database:
    """One host with v from 1 to 5."""
    values = [(("v", MeasureType.DOUBLE, float(n)),) for n in range(1, 6)]
    asked.write("db", "t", [WriteRecord((("s", "a"),), "m", NOW_NS - n, 1, of) for n, of in enumerate(values)])
    return asked


def nested(before: str, middle: str, after: str, levels: int = LEVELS) -> str:
    """`{n}` is the number of the level."""
    return (
        "".join(before.replace("{n}", str(n)) for n in range(levels))
        + middle
        + "".join(after.replace("{n}", str(n)) for n in range(levels))
    )


SHAPES = {
    "parentheses": f"SELECT {nested('(', 'v', ')')} {OF}",
    "arithmetic": f"SELECT {nested('(', f'v - {LEVELS}', ' + 1)')} {OF}",
    "sums": f"SELECT v{' + 1 - 1' * LEVELS} {OF}",
    "conditions": f"SELECT v {OF} WHERE {nested('(v = -{n} OR ', 'v > 0', ')')}",
    "negations": f"SELECT v {OF} WHERE {nested('NOT (', 'v > 0', ')')}",
    "CASEs": f"SELECT {nested('CASE WHEN v = -{n} THEN {n} ELSE ', 'v', ' END')} {OF}",
    "functions": f"SELECT {nested('abs(', 'v', ')')} {OF}",
    "functions of two": f"SELECT {nested('coalesce(', 'v', ', 1)')} {OF}",
    "casts": f"SELECT {nested('CAST(', 'v', ' AS double)')} {OF}",
    "subqueries": f"{nested('SELECT v FROM (', f'SELECT v {OF}', ') WHERE v > -1')}",
    "grouped subqueries": f"{nested('SELECT v FROM (', f'SELECT v {OF}', ') GROUP BY v')}",
    "subqueries as values": f"SELECT v {OF} WHERE v > {nested(f'(SELECT min(v) - 1 {OF} WHERE v > ', '0', ')')}",
    "IN": f"SELECT v {OF} WHERE v IN {nested(f'(SELECT v {OF} WHERE v IN ', '(1, 2, 3, 4, 5)', ')')}",
    "WITH": f"WITH q0 AS (SELECT v {OF}) "
    + "".join(f", q{n + 1} AS (SELECT v FROM q{n})" for n in range(LEVELS))
    + f" SELECT v FROM q{LEVELS}",
    "WITH named twice": f"WITH q0 AS (SELECT v {OF}) "
    + "".join(f", q{n + 1} AS (SELECT a.v FROM q{n} a JOIN q{n} b ON a.v = b.v)" for n in range(40))
    + " SELECT v FROM q40",
    "UNION": f"SELECT v {OF}" + f" UNION SELECT v {OF}" * LEVELS,
    "many numbers": f"SELECT v {OF} WHERE v IN ({', '.join(map(str, range(20_000)))})",
    "very many numbers": f"SELECT v {OF} WHERE v IN ({','.join(map(str, range(40_000)))})",
    "very many of others": f"SELECT v {OF} WHERE v NOT IN ({','.join(map(str, range(6, 40_000)))})",
    "very many numbers elsewhere": f"SELECT max(CASE WHEN v IN ({','.join(map(str, range(40_000)))}) THEN v END) {OF}"
    f" GROUP BY v HAVING max(v) IN ({','.join(map(str, range(2_000)))})",
    "very many numbers in a lambda": f"SELECT filter(ARRAY[v], x -> x IN ({','.join(map(str, range(1_999)))}))[1] {OF}",
    "very many numbers in TRY": f"SELECT if(try(v IN ({','.join(map(str, range(1_999)))})), v) {OF}",
    "many columns": f"SELECT v, {', '.join(f'v AS c{n}' for n in range(5_000))} {OF}",
    "many texts": f"SELECT v {OF} WHERE s IN ('a', {', '.join(repr(f's{n:05}') for n in range(19_999))})",
}


@pytest.mark.parametrize("shape", some(list(SHAPES)))
def test_deep_and_long_text_is_answered(filled: Database, shape: str) -> None:
    found = filled.ask(SHAPES[shape], max_rows=1_000)

    assert sorted(str(value) for (value, *_) in found.rows()) == ALL


@pytest.mark.parametrize("text", ["ARRAY[", "ROW(", "DATE(", "ARRAY[ROW("])
def test_what_is_no_type_is_not_tried_as_one_at_each_level(empty: Database, text: str) -> None:
    """It would take twice the time for each level: here for ever."""
    closing = "".join({"[": "]", "(": ")"}.get(sign, "") for sign in reversed(text))

    with pytest.raises(SqlError):
        empty.ask(f"SELECT {nested(text, '1', closing, 60)}")


@pytest.mark.parametrize("condition", ["measure_name IN ('n', 'o') OR s IN {}", "NOT (s NOT IN {})"])
def test_a_list_within_a_condition_is_answered(filled: Database, condition: str) -> None:
    """DuckDB cannot plan such a list over a subquery whose rows are compared with those of another."""
    where = condition.format("('a', 'b', 'c', 'd', 'e', 'f')")
    text = (
        f"SELECT max(v) FROM (SELECT * {OF} WHERE v + 0 < 4) WHERE time >= (SELECT min(time) - 1m {OF}) AND ({where})"
    )

    assert filled.value(text) == "3.0"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ("(1, 2.5, 3e0)", ["1.0", "3.0"]),
        ("(-1, 2)", ["2.0"]),
        ("(1 + 1, 3)", ["2.0", "3.0"]),
        ("(4)", ["4.0"]),
        ("(5 6)", None),
        ("(5, 6", None),
    ],
)
def test_a_list_is_read_in_any_form(filled: Database, values: str, found: list[str] | None) -> None:
    text = f"SELECT v {OF} WHERE v IN {values} ORDER BY 1"

    if found is None:
        with pytest.raises(SqlError):
            filled.ask(text)
    else:
        assert [value for (value,) in filled.rows(text)] == found


LISTS = {
    "texts": ("s", ["'a'", *(f"'it''s, ({n})'" for n in range(20))]),
    "other texts": ("s", [f"'{n}'" for n in range(20)]),
    "texts with separators": ("s", ["'a'", *(f"'\x1f{n}'" for n in range(1_200))]),
    "numbers": ("v", [*map(str, range(-3, 20))]),
    "mixed numbers": ("v", ["2", "2.5", "3e0", *(f"-{n}.5e1" for n in range(20))]),
    "bigints": ("to_nanoseconds(time)", [str(NOW_NS - 3), *(str(2**40 + n) for n in range(20))]),
    "times": ("CAST(time AS DATE)", ["'2026-09-21'", *(f"'2025-01-{n:02}'" for n in range(1, 20))]),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("where", ["{}", "NOT ({})", "v > 1 AND ({} OR v = 5)", "(CASE WHEN {} THEN v < 4 END)"])
def test_a_long_list_is_the_same_as_comparisons(filled: Database, name: str, where: str) -> None:
    value, constants = LISTS[name]
    one_by_one = " OR ".join(f"{value} = {constant}" for constant in constants[:100])
    text = f"SELECT v {OF} WHERE {where} ORDER BY 1"

    found = filled.rows(text.format(f"{value} IN (\n{' , '.join(constants)} )"))

    assert found == filled.rows(text.format(f"({one_by_one})"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT v FROM db.t WHERE v IN ('a'{})", "line 1:26: IN cannot be applied to double, varchar"),
        ("SELECT v FROM db.t WHERE time IN ('a'{})", "line 1:26: 'a' is not a valid timestamp"),
        ("SELECT v FROM db.t WHERE\n v IN (99999999999999999999{})", "line 2:"),
        ("SELECT position('a' IN ('a'{}))", "a list of constants follows IN"),
        ("SELECT 'x IN (1{})', nothing FROM db.t", "Column 'nothing' does not exist"),
    ],
)
def test_errors_around_a_long_list_have_their_place(filled: Database, text: str, message: str) -> None:
    others = ", 'b'" if "'a'" in text else ", 1"

    with pytest.raises(SqlError, match=re.escape(message)):
        filled.ask(text.format(others * 20))


def test_doubles_of_a_list_are_exact(tmp_path: Path) -> None:
    rng = random.Random(1)
    numbers = [rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300) for _ in range(200)]
    db = Database(tmp_path)
    db.write(
        "db",
        "t",
        [WriteRecord((), "m", NOW_NS - n, 1, (("v", MeasureType.DOUBLE, of),)) for n, of in enumerate(numbers)],
    )

    assert db.value(f"SELECT count(*) FROM db.t WHERE v IN ({', '.join(f'{of!r}' for of in numbers)})") == "200"
    db.store.close()
