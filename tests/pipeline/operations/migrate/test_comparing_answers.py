"""Answers agree if their columns and rows do; what only one has is shown."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.operations.migrate.asking import Result
from pipeline.operations.migrate.comparing import differences

COLUMNS = (("t", "timestamp"), ("v", "double"))


def result(*rows: tuple[Any, ...], columns: tuple[tuple[str, str], ...] = COLUMNS) -> Result:
    return Result(columns, list(rows))


def test_rows_agree_in_any_order_unless_the_statement_gives_them_one() -> None:
    one, other = result(("1", "2.5"), ("2", None)), result(("2", None), ("1", "2.5"))

    assert differences("SELECT t, v FROM x", one, other) == []
    assert differences("SELECT t, v FROM (SELECT 1 ORDER BY 1)", one, other) == []
    assert differences("SELECT t, v FROM x ORDER BY t", one, other) == ["the rows are the same, in another order"]


@pytest.mark.parametrize(
    ("value", "is_same"),
    [("21.400000000000002", True), ("21.4000001", False), ("21.5", False), (None, False), (("21.4",), False)],
)
def test_doubles_agree_within_a_tolerance(value: Any, is_same: bool) -> None:
    assert (differences("", result(("1", "21.4")), result(("1", value))) == []) is is_same


def test_whole_numbers_and_texts_agree_exactly() -> None:
    columns = (("n", "bigint"),)

    one, other = result(("9007199254740993",), columns=columns), result(("9007199254740992",), columns=columns)

    assert differences("", one, other) == ["- 9007199254740993", "+ 9007199254740992"]


def test_what_only_one_has_is_shown_up_to_ten_rows() -> None:
    one = result(*((str(number), "1.0") for number in range(15)))
    other = result(*((str(number), "1.0") for number in range(3)), ("x", None))

    found = differences("", one, other)

    assert found[:1] == ["- 10 | 1.0"]
    assert found[10:] == ["- … 2 more rows", "+ x | null"]


def test_columns_are_compared_first() -> None:
    other = result(columns=(("t", "timestamp"), ("w", "bigint")))

    assert differences("", result(), other) == ["- columns t timestamp, v double", "+ columns t timestamp, w bigint"]


def test_nested_values_are_compared_as_deep_as_they_are() -> None:
    one = result((("1", (("a", "1.0"), None)),))

    assert differences("", one, result((("1", (("a", "1.0000000000000002"), None)),))) == []
    assert differences("", one, result((("1", (("b", "1.0"), None)),))) != []
