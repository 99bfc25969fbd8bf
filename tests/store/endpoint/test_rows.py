"""Rows that are written column by column are those written value by value, to the byte; and so are their pages."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from store.endpoint import rows as rows_module
from store.endpoint.rows import parts, rows_of
from store.sql import (
    ArrayType,
    MapType,
    ResultColumn,
    ResultSet,
    RowType,
    ScalarType,
    SqlType,
    TimeSeriesType,
    texts,
)
from store.sql.errors import RowTooLarge
from tests.support.result_sets import NESTED, result_set, some_kinds


def datum(value: Any, kind: SqlType) -> dict[str, Any]:
    """The value in the form of the service; `value` is one of `ResultSet.rows`."""
    if value is None:
        return {"NullValue": True}
    match kind:
        case ArrayType():
            return {"ArrayValue": [datum(element, kind.element) for element in value]}
        case RowType():
            return {"RowValue": {"Data": [datum(x, field) for x, (_, field) in zip(value, kind.fields, strict=True)]}}
        case TimeSeriesType():
            return {"TimeSeriesValue": [{"Time": time, "Value": datum(x, kind.value)} for time, x in value]}
        case MapType():
            return datum(value, kind.rows)
        case _:
            return {"ScalarValue": value}


def by_value(result: ResultSet) -> list[bytes]:
    """Each row as JSON."""
    kinds = [column.type for column in result.columns]
    return [
        msgspec.json.encode({"Data": [datum(value, kind) for value, kind in zip(row, kinds, strict=True)]})
        for row in result.rows()
    ]


def page_of(lines: list[bytes], first: int, max_rows: int | None, most_bytes: int) -> list[bytes]:
    """The rows of the page that begins at `first`."""
    found: list[bytes] = []
    for line in lines[first:]:
        if len(found) == max_rows or sum(map(len, found)) + len(line) > most_bytes:
            break
        found.append(line)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_rows_and_pages_are_those_written_value_by_value(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    most_bytes = rng.choice([20_000, 1_000_000])
    monkeypatch.setattr(rows_module, "PAGE_MAX_BYTES", most_bytes)
    monkeypatch.setattr(rows_module, "_BLOCK_ROWS", rng.choice([1, 7, 1_000]))
    monkeypatch.setattr(rows_module, "_BLOCK_BYTES", rng.choice([500, 1_000_000]))
    monkeypatch.setattr(texts, "SLICE_ROWS", rng.choice([1, 13, 10_000]))
    result = result_set(rng, some_kinds(rng), rng.choice([0, 1, 2, 100, 300]), nulls=rng.choice([0.0, 0.2, 1.0]))
    lines = by_value(result)

    made = rows_of(parts(result), 2**30)

    assert made is not None
    assert len(made) == len(lines)
    first = 0
    while first < len(lines) or first == 0:
        max_rows = rng.choice([None, 1, 5, 1_000])
        expected = page_of(lines, first, max_rows, most_bytes)
        page = made.page(first, max_rows)
        assert bytes(page.rows) == b"[" + b",".join(expected) + b"]"
        assert page.count == len(expected)
        if not lines:
            break
        first += page.count


def test_every_type_is_tried() -> None:
    kinds = {str(kind) for seed in range(40) for kind in some_kinds(random.Random(seed))}

    assert kinds >= {str(kind) for kind in (*ScalarType, NESTED)}


def test_a_row_that_no_page_can_have_is_refused_and_one_less_is_not() -> None:
    columns = (ResultColumn("x", ScalarType.VARCHAR),)
    around = len(b'{"Data":[{"ScalarValue":""}]}')
    fits = ResultSet(columns, pa.table({"c0": ["a", "x" * (1_000_000 - around)]}))
    too_large = ResultSet(columns, pa.table({"c0": ["a", "x" * (1_000_001 - around)]}))

    made = rows_of(parts(fits), 2**30)

    assert made is not None
    assert [made.page(first, None).count for first in (0, 1)] == [1, 1]
    with pytest.raises(RowTooLarge):
        list(parts(too_large))
