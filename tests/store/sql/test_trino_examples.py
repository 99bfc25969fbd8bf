"""Nulls, NaN, overflow, empty arrays and other edges have the answers that Trino 478 gave (`trino_examples.jsonl`).

A `q` with `fails` is an error there and here. Values are as `Result.rows` has them, with `[a, b]` for arrays and rows.
"""

import json
from pathlib import Path

import pytest
from sql_database import Database

from store.sql import SqlError

EXAMPLES = [json.loads(line) for line in (Path(__file__).parent / "trino_examples.jsonl").read_text().splitlines()]


def told(value: object) -> str | None:
    return (
        None
        if value is None
        else f"[{', '.join(map(inner, value))}]"
        if isinstance(value, list | tuple)
        else str(value)
    )


def inner(value: object) -> str:
    return "null" if value is None else str(told(value))


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["q"] for example in EXAMPLES])
def test_an_edge_is_as_in_trino(empty: Database, example: dict[str, object]) -> None:
    text = str(example["q"])
    if "fails" in example:
        with pytest.raises(SqlError):
            empty.rows(text)
    else:
        assert [[told(value) for value in row] for row in empty.rows(text)] == example["rows"]
