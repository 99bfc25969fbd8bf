"""Results that are written column by column are those written value by value, to the byte."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.api.http.results import parts
from pipeline.base import csv_text
from store.sql import (
    ArrayType,
    MapType,
    ResultSet,
    RowType,
    ScalarType,
    SqlType,
    TimeSeriesType,
    formatter,
    texts,
)
from store.values.times import rfc3339
from tests.support.examples import times
from tests.support.result_sets import PARTS, result_set, some_kinds

KEPT = {ScalarType.VARCHAR, ScalarType.BOOLEAN, ScalarType.INTEGER, ScalarType.BIGINT}


def double(value: float | None) -> float | str | None:
    """As JSON has it."""
    return value if value is None or math.isfinite(value) else str(value)


def plain(value: Any, kind: SqlType) -> Any:
    """A value with parts, or one of its parts, as JSON has it."""
    if value is None:
        return None
    match kind:
        case ArrayType():
            return [plain(part, kind.element) for part in value]
        case TimeSeriesType() | MapType():
            return plain(value, kind.rows)
        case RowType():
            parts = [plain(part, field) for part, (_, field) in zip(value.values(), kind.fields, strict=True)]
            return dict(zip([name for name, _ in kind.fields], parts, strict=True)) if all(dict(kind.fields)) else parts
        case ScalarType.TIMESTAMP:
            return rfc3339(value)
        case ScalarType.DOUBLE:
            return double(value)
    return value if kind in KEPT else formatter(kind)(value)


def values(result: ResultSet) -> list[list[Any]]:
    """The columns: numbers, booleans and text as they are, nested values as JSON has them, everything else as text."""
    shown = [list(column) for column in zip(*result.rows(), strict=True)] or [[] for _ in result.columns]
    found: list[list[Any]] = []
    for number, column in enumerate(result.columns):
        stored = result.table.column(number).to_pylist()
        if column.type is ScalarType.TIMESTAMP:
            found.append([None if value is None else rfc3339(value) for value in stored])
        elif column.type is ScalarType.DOUBLE:
            found.append(list(map(double, stored)))
        elif column.type in KEPT:
            found.append(stored)
        elif column.type in PARTS:
            found.append([plain(value, column.type) for value in stored])
        else:
            found.append(shown[number])
    return found


def as_json(result: ResultSet) -> bytes:
    described = [{"name": column.name, "type": column.type.text} for column in result.columns]
    rows = list(map(list, zip(*values(result), strict=True)))
    return orjson.dumps({"columns": described, "rows": rows, "truncated": result.truncated})


def as_csv(result: ResultSet) -> bytes:
    def field(value: Any) -> str | None:
        match value:
            case None | str():
                return value
            case bool():
                return str(value).lower()
            case list() | dict():
                return orjson.dumps(value).decode()
            case _:
                return str(value)

    rows = [[field(value) for value in row] for row in zip(*values(result), strict=True)]
    lines = [csv_text.line([column.name for column in result.columns]), *map(csv_text.line, rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def some(seeds: int) -> Iterator[tuple[int, ResultSet]]:
    for seed in range(seeds):
        rng = random.Random(seed)
        rows = rng.choice([0, 1, 2, 100, 300])
        yield seed, result_set(rng, some_kinds(rng), rows, nulls=rng.choice([0.0, 0.2, 1.0]))


@pytest.mark.parametrize(("form", "by_value"), [("json", as_json), ("csv", as_csv)])
def test_text_is_that_written_value_by_value(monkeypatch: pytest.MonkeyPatch, form: str, by_value: Any) -> None:
    for seed, result in some(times(100)):
        monkeypatch.setattr(texts, "SLICE_ROWS", [1, 13, 10_000][seed % 3])

        assert b"".join(parts(result, form)) == by_value(result), seed


def as_numbers(kind: pa.DataType) -> pa.DataType:
    """The type with numbers for times: Python's have only microseconds."""
    if pa.types.is_list(kind):
        return pa.list_(as_numbers(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, as_numbers(field.type)) for field in kind])
    return pa.int64() if pa.types.is_temporal(kind) else kind


def listed(column: pa.ChunkedArray) -> list[Any]:
    """The values."""
    found: list[Any] = column.cast(as_numbers(column.type)).to_pylist()
    return found


def test_parquet_has_the_rows_and_types_of_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.api.http.results.PARQUET_ROWS", 50)
    for _, result in some(20):
        arrow = pa.ipc.open_stream(b"".join(parts(result, "arrow"))).read_all()

        parquet = pq.read_table(pa.BufferReader(b"".join(parts(result, "parquet"))))

        assert parquet.schema.types == arrow.schema.types
        for ours, theirs in zip(map(listed, parquet.columns), map(listed, arrow.columns), strict=True):
            assert str(ours) == str(theirs)  # as text, because NaN differs from itself


def test_columns_of_one_name_have_numbers_in_parquet() -> None:
    result = ResultSet(
        tuple(result_set(random.Random(1), [ScalarType.BIGINT], 1).columns) * 3,
        pa.table({"c0": [1], "c1": [2], "c2": [3]}),
    )
    name = result.columns[0].name

    parquet = pq.read_table(pa.BufferReader(b"".join(parts(result, "parquet"))))

    assert parquet.column_names == [name, f"{name}_2", f"{name}_3"]


@pytest.mark.parametrize("form", ["json", "csv", "arrow", "parquet"])
def test_a_large_result_is_made_in_parts(form: str) -> None:
    """What comes first is there before the rest is made."""
    rows = 400_000  # four groups of Parquet's, which has the largest parts
    result = result_set(random.Random(1), [ScalarType.UNKNOWN], 1)
    result = ResultSet(result.columns, pa.table({"c0": pa.array(range(rows), pa.int32())}))

    made = parts(result, form)

    assert len(next(made) + next(made) + next(made)) < len(b"".join(made))
