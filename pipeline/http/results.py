"""A query's result as JSON, CSV or Arrow. Times are RFC 3339 in text, and timestamps with nanoseconds in Arrow."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import csv_text
from rules.transition import rfc3339
from store.sql import ResultSet, ScalarType, SqlType

FORMATS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "arrow": "application/vnd.apache.arrow.stream"}

_ARROW: dict[SqlType, pa.DataType] = {
    ScalarType.TIMESTAMP: pa.timestamp("ns", tz="UTC"),
    ScalarType.TIME: pa.time64("ns"),
    ScalarType.INTERVAL_DAY_TO_SECOND: pa.duration("ns"),
}


def encode(result: ResultSet, form: str) -> bytes:
    """The body of the answer in one of FORMATS."""
    if form == "arrow":
        return _arrow(result)
    columns = [_values(result, number) for number in range(len(result.columns))]
    if form == "csv":
        truths = {True: "true", False: "false", None: None}
        for number, column in enumerate(result.columns):
            if column.type is ScalarType.BOOLEAN:
                columns[number] = [truths[value] for value in columns[number]]
            elif not isinstance(column.type, ScalarType):
                columns[number] = [None if value is None else orjson.dumps(value).decode() for value in columns[number]]
        names = [column.name for column in result.columns]
        rows = zip(*columns, strict=True)
        return csv_text.document(names, rows, has_empty_texts=_has_empty_texts(result)).encode()
    described = [{"name": column.name, "type": column.type.text} for column in result.columns]
    return orjson.dumps({"columns": described, "rows": list(zip(*columns, strict=True)), "truncated": result.truncated})


def _values(result: ResultSet, number: int) -> list[Any]:
    """The values of a column: numbers, truths and text as they are, everything else as text."""
    kind = result.columns[number].type
    values: list[Any] = result.table.column(number).to_pylist()
    if kind is ScalarType.TIMESTAMP:
        return [None if value is None else rfc3339(value) for value in values]
    if kind is ScalarType.DOUBLE:
        return [value if value is None or math.isfinite(value) else str(value) for value in values]
    if kind in {ScalarType.VARCHAR, ScalarType.BOOLEAN, ScalarType.INTEGER, ScalarType.BIGINT}:
        return values
    if isinstance(kind, ScalarType):
        return [row[number] for row in result.rows()]
    return values


def _has_empty_texts(result: ResultSet) -> bool:
    return any(
        column.type is ScalarType.VARCHAR and pc.any(pc.equal(result.table.column(number), "")).as_py()
        for number, column in enumerate(result.columns)
    )


def _arrow(result: ResultSet) -> bytes:
    arrays = [
        result.table.column(number).combine_chunks().cast(_ARROW.get(column.type, result.table.column(number).type))
        for number, column in enumerate(result.columns)
    ]
    table = pa.table(arrays, names=[column.name for column in result.columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
