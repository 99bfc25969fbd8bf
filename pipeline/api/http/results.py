"""A query's result as JSON, CSV or Arrow. Times are RFC 3339 in text, and timestamps with nanoseconds in Arrow."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base import csv_text
from store.sql import ArrayType, ResultSet, RowType, ScalarType, SqlType, TimeSeriesType, formatter
from store.values.times import rfc3339

FORMATS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "arrow": "application/vnd.apache.arrow.stream"}

PART_BYTES = 256 * 1024  # a client that reads as much in half a minute is not given up
CHUNK_ROWS = 2_000
ARROW_ROWS = 20_000

_TRUTHS = {True: "true", False: "false", None: None}

_ARROW: dict[SqlType, pa.DataType] = {
    ScalarType.TIMESTAMP: pa.timestamp("ns", tz="UTC"),
    ScalarType.TIME: pa.time64("ns"),
    ScalarType.INTERVAL_DAY_TO_SECOND: pa.duration("ns"),
}


def parts(result: ResultSet, form: str = "json") -> Iterator[bytes]:
    """The parts of the response in one of FORMATS, each of at most PART_BYTES."""
    for part in {"json": _json, "csv": _csv, "arrow": _arrow}[form](result):
        for first in range(0, len(part), PART_BYTES):
            yield part[first : first + PART_BYTES]


def _chunks(result: ResultSet) -> Iterator[list[list[Any]]]:
    """The values of all columns, in chunks of rows."""
    for first in range(0, len(result), CHUNK_ROWS):
        part = ResultSet(result.columns, result.table.slice(first, CHUNK_ROWS))
        yield [_values(part, number) for number in range(len(result.columns))]


def _csv(result: ResultSet) -> Iterator[bytes]:
    has_empty_texts = _has_empty_texts(result)
    yield f"{csv_text.line([column.name for column in result.columns])}\n".encode()
    for columns in _chunks(result):
        texts = [_csv_values(column.type, values) for column, values in zip(result.columns, columns, strict=True)]
        yield csv_text.lines(zip(*texts, strict=True), has_empty_texts=has_empty_texts).encode()


def _csv_values(kind: SqlType, values: list[Any]) -> list[Any]:
    if kind is ScalarType.BOOLEAN:
        return [_TRUTHS[value] for value in values]
    if isinstance(kind, ScalarType):
        return values
    return [None if value is None else orjson.dumps(value).decode() for value in values]


def _json(result: ResultSet) -> Iterator[bytes]:
    described = [{"name": column.name, "type": column.type.text} for column in result.columns]
    yield b'{"columns":' + orjson.dumps(described) + b',"rows":['
    separator = b""
    for columns in _chunks(result):
        yield separator + orjson.dumps(list(zip(*columns, strict=True)))[1:-1]
        separator = b","
    yield b'],"truncated":' + orjson.dumps(result.truncated) + b"}"


def _values(result: ResultSet, number: int) -> list[Any]:
    """The values of a column: numbers, booleans and text unchanged, everything else as text."""
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
    write = _nested(kind)
    return [None if value is None else write(value) for value in values]


def _nested(kind: SqlType) -> Callable[[Any], Any]:
    """The function that makes lists and objects of a value; a row of which not all fields have names is a list."""
    match kind:
        case ArrayType():
            element = _nested(kind.element)
            return lambda values: [None if value is None else element(value) for value in values]
        case TimeSeriesType():
            return _nested(kind.rows)
        case RowType():
            return _row(kind)
        case ScalarType.TIMESTAMP:
            return rfc3339
        case ScalarType.DOUBLE:
            return lambda value: value if math.isfinite(value) else str(value)
        case ScalarType.VARCHAR | ScalarType.BOOLEAN | ScalarType.INTEGER | ScalarType.BIGINT:
            return lambda value: value
    return formatter(kind)


def _row(kind: RowType) -> Callable[[Any], Any]:
    names = [name for name, _ in kind.fields]
    fields = [_nested(field) for _, field in kind.fields]
    has_names = all(names) and len(set(names)) == len(names)

    def write(row: dict[str, Any]) -> Any:
        values = [None if value is None else of(value) for of, value in zip(fields, row.values(), strict=True)]
        return dict(zip(names, values, strict=True)) if has_names else values

    return write


def _has_empty_texts(result: ResultSet) -> bool:
    return any(
        column.type is ScalarType.VARCHAR and pc.any(pc.equal(result.table.column(number), "")).as_py()
        for number, column in enumerate(result.columns)
    )


def _arrow(result: ResultSet) -> Iterator[bytes]:
    none = result.table.slice(0, 0)
    kinds = [_array(none.column(n).combine_chunks(), column.type).type for n, column in enumerate(result.columns)]
    # built by position: several columns may have the same name
    schema = pa.schema([pa.field(column.name, kind) for column, kind in zip(result.columns, kinds, strict=True)])
    sink = _Taken()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), schema) as writer:
        for first in range(0, len(result), ARROW_ROWS):
            part = result.table.slice(first, ARROW_ROWS)
            arrays = [_array(part.column(n).combine_chunks(), column.type) for n, column in enumerate(result.columns)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield sink.take()
    yield sink.take()


def _array(values: pa.Array, kind: SqlType) -> pa.Array:
    """Values of the store's form in Arrow's types of times, the fields of rows with their names."""
    match kind:
        case ArrayType():
            whole = pa.concat_arrays([values])  # without the offset of a slice, which a mask may not have
            return pa.ListArray.from_arrays(whole.offsets, _array(whole.values, kind.element), mask=whole.is_null())
        case TimeSeriesType():
            return _array(values, kind.rows)
        case RowType():
            names = [name or f"field{place}" for place, (name, _) in enumerate(kind.fields)]
            fields = [_array(values.field(place), field) for place, (_, field) in enumerate(kind.fields)]
            return pa.StructArray.from_arrays(fields, names, mask=values.is_null())
    return values.cast(_ARROW.get(kind, values.type))


class _Taken(io.RawIOBase):
    """What was written and is not taken yet."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """All that was written since the last call."""
        taken, self._written = b"".join(self._written), []
        return taken
