"""Each example of `docs/functions.md` has the value that is printed beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sql_database import Database
from test_trino_examples import inner

PAGE = (Path(__file__).parents[3] / "docs" / "functions.md").read_text(encoding="utf-8")
GROUPS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `(\w+).*\| `((?:[^`])+)` \| `([^`]*)` \|$", re.MULTILINE)
ROWS = "(VALUES (1, 'a', 1), (2, 'b', 2), (2, 'c', 6), (4, NULL, 8)) AS t(x, y, z)"
SERIES = """(SELECT create_time_series(from_unixtime(t), v) AS s
    FROM (VALUES (0, 0.0), (10, 10.0), (20, 40.0)) AS p(t, v))"""
FROM = {"Time series": f" FROM {SERIES}", "Aggregates": f" FROM {ROWS}", "Windows": f" FROM {ROWS} ORDER BY z"}


@pytest.mark.parametrize("group", GROUPS)
def test_the_examples_of_functions_have_the_values_on_the_page(empty: Database, group: str) -> None:
    rows = ROW.findall(GROUPS[group])
    told = {name: value for name, _, value in rows}

    found = {name: value_of(empty, group, example.replace("\\|", "|")) for name, example, _ in rows}

    assert found == told
    assert len(found) == GROUPS[group].count("\n| `")


def value_of(empty: Database, group: str, example: str) -> str:
    """The value of an expression, or of each row; the rows of an example with its own FROM are those of the page."""
    text = f"SELECT {example}{'' if ' FROM ' in example else FROM.get(group, '')}".replace(" FROM t ", f" FROM {ROWS} ")
    return ", ".join(inner(row[0]) for row in empty.rows(text))


def test_the_rows_of_the_examples_are_those_on_the_page() -> None:
    assert f"`{ROWS}`" in PAGE
