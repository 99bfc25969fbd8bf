"""Nulls, NaN, overflow, empty arrays and other edges have the answers that Trino 478 gave (`trino_examples.jsonl`).

A `q` with `fails` is an error there and here. Values are as `Result.rows` has them, with `[a, b]` for arrays and rows.
"""

import json
from pathlib import Path

import pytest
from sql_database import Database

from store.sql import SqlError

EXAMPLES = [json.loads(line) for line in (Path(__file__).parent / "trino_examples.jsonl").read_text().splitlines()]
EACH = 40  # of them a test: each test costs as much as a statement


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


def answer(database: Database, text: str) -> object:
    """The rows as the examples have them, or that it fails."""
    try:
        return [[told(value) for value in row] for row in database.rows(text)]
    except SqlError as error:
        return f"fails: {error}"


def is_as_in_trino(found: object, example: dict[str, object]) -> bool:
    return str(found).startswith("fails: ") if "fails" in example else found == example["rows"]


@pytest.mark.parametrize("first", range(0, len(EXAMPLES), EACH))
def test_edges_are_as_in_trino(empty: Database, first: int) -> None:
    asked = [(example, answer(empty, str(example["q"]))) for example in EXAMPLES[first : first + EACH]]

    assert [(found, example) for example, found in asked if not is_as_in_trino(found, example)] == []
