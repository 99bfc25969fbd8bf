"""A query's result as JSON, CSV, Arrow or Parquet. Times are RFC 3339 in text, else timestamps with nanoseconds.

Text is written column by column (`store.sql.texts`, `store.sql.nested_texts`).
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.base import csv_text
from store.sql import (
    TEXTS,
    ArrayType,
    MapType,
    ResultSet,
    RowType,
    Scalar,
    ScalarType,
    SqlType,
    TimeSeriesType,
    ZonedType,
)
from store.sql.nested_texts import NestedForm
from store.sql.texts import Lines, around, by_unique, double_texts, scalar_texts, slices, with_nulls_as

FORMATS = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}

PART_BYTES = 256 * 1024  # a client that reads as much in half a minute is not given up
ARROW_ROWS = 20_000
PARQUET_ROWS = 100_000  # of a row group
_AS_EVERYWHERE = (1e-4, 1e16)  # where Python writes a double without an exponent
_NUMBERS = {ScalarType.DOUBLE, ScalarType.BOOLEAN, ScalarType.INTEGER, ScalarType.BIGINT}

_QUOTED = TEXTS | {ScalarType.VARBINARY}  # those that can be empty

_ARROW: dict[SqlType, pa.DataType] = {
    ScalarType.TIMESTAMP: pa.timestamp("ns", tz="UTC"),
    ScalarType.TIME: pa.time64("ns"),
    ScalarType.INTERVAL_DAY_TO_SECOND: pa.duration("ns"),
}


def parts(result: ResultSet, form: str = "json") -> Iterator[bytes]:
    """The parts of the response in one of FORMATS, each of at most PART_BYTES."""
    for part in {"json": _json, "csv": _csv, "arrow": _arrow, "parquet": _parquet}[form](result):
        for first in range(0, len(part), PART_BYTES):
            yield bytes(part[first : first + PART_BYTES])


Cells = Callable[[SqlType, pa.ChunkedArray], pa.Array]


def _lines(result: ResultSet, cells: Cells, before: str, after: str) -> Iterator[memoryview]:
    """The rows as text."""
    for part in slices(result.table):
        columns = [cells(column.type, part.column(number)) for number, column in enumerate(result.columns)]
        yield Lines.of(columns, before, ",", after).data


def _json(result: ResultSet) -> Iterator[bytes | memoryview]:
    described = [{"name": column.name, "type": column.type.text} for column in result.columns]
    yield b'{"columns":' + orjson.dumps(described) + b',"rows":['
    separator = b""
    for rows in _lines(result, _json_cells, "[", "],"):
        yield separator
        yield rows[:-1]
        separator = b","
    yield b'],"truncated":' + orjson.dumps(result.truncated) + b"}"


def _json_cells(kind: SqlType, column: pa.ChunkedArray) -> pa.Array:
    if isinstance(kind, Scalar):
        return with_nulls_as(by_unique(column, partial(_json_values, kind)), "null")
    return _FORM.texts(column.combine_chunks(), kind)


def _json_values(kind: Scalar, values: pa.Array) -> pa.Array:
    """Numbers and booleans as they are, everything else as text."""
    if kind in TEXTS:
        return pa.array([orjson.dumps(value).decode() for value in values.to_pylist()], pa.string())
    if kind is ScalarType.DOUBLE:
        return double_texts(values, *_AS_EVERYWHERE, _json_double)
    return scalar_texts(values, kind) if kind in _NUMBERS else around('"', _readable(kind, values), '"')


def _json_double(value: float) -> str:
    return orjson.dumps(value if math.isfinite(value) else str(value)).decode()


def _row(kind: RowType) -> list[str]:
    """Around the fields of a row: a list, unless all of them have names."""
    names = [name for name, _ in kind.fields]
    if not all(names) or len(set(names)) < len(names):
        return ["[", *[","] * (len(names) - 1), "]"]
    first, *others = (orjson.dumps(name).decode() for name in names)
    return [f"{{{first}:", *(f",{name}:" for name in others), "}"]


_FORM = NestedForm(_json_values, "null", ("[", "]"), _row)


def _csv(result: ResultSet) -> Iterator[bytes | memoryview]:
    yield f"{csv_text.line([column.name for column in result.columns])}\n".encode()
    null = '""' if len(result.columns) == 1 else ""
    yield from _lines(result, partial(_csv_cells, null), "", "\n")


def _csv_cells(null: str, kind: SqlType, column: pa.ChunkedArray) -> pa.Array:
    if not isinstance(kind, Scalar):
        values = column.combine_chunks()
        texts = zip(_FORM.texts(values, kind).to_pylist(), values.is_null().to_pylist(), strict=True)
        return pa.array([null if is_null else csv_text.line([text]) for text, is_null in texts], pa.string())
    return with_nulls_as(by_unique(column, partial(_csv_values, kind)), null)


def _csv_values(kind: Scalar, values: pa.Array) -> pa.Array:
    if kind in _QUOTED:
        texts = scalar_texts(values, kind).to_pylist()
        return pa.array([csv_text.line([text]) for text in texts], pa.string())
    if kind is ScalarType.DOUBLE:
        return double_texts(values, *_AS_EVERYWHERE, str)
    return _readable(kind, values)


def _readable(kind: Scalar, values: pa.Array) -> pa.Array:
    """The texts of `scalar_texts`, but times in RFC 3339, with as many digits as necessary."""
    texts = scalar_texts(values, kind)
    if kind is not ScalarType.TIMESTAMP:
        return texts
    with_t = pc.utf8_replace_slice(texts, 10, 11, "T")
    return around("", pc.utf8_rtrim(pc.utf8_rtrim(with_t, "0"), "."), "Z")


def _arrow(result: ResultSet) -> Iterator[bytes]:
    sink = _Taken()
    schema = _schema(result, [column.name for column in result.columns])
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), schema) as writer:
        for part in _batches(result, schema, ARROW_ROWS):
            writer.write_table(part)
            yield sink.take()
    yield sink.take()


def _parquet(result: ResultSet) -> Iterator[bytes]:
    """Columns of the same name get numbers, because few readers take them."""
    seen: Counter[str] = Counter()
    names: list[str] = []
    for column in result.columns:
        name = column.name
        while name in names:
            seen[column.name] += 1
            name = f"{column.name}_{seen[column.name] + 1}"
        names.append(name)
    sink = _Taken()
    schema = _schema(result, names)
    with pq.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
        for part in _batches(result, schema, PARQUET_ROWS):
            writer.write_table(part)
            yield sink.take()
    yield sink.take()


def _schema(result: ResultSet, names: list[str]) -> pa.Schema:
    none = result.table.slice(0, 0)
    kinds = [_array(none.column(n).combine_chunks(), column.type).type for n, column in enumerate(result.columns)]
    return pa.schema([pa.field(name, kind) for name, kind in zip(names, kinds, strict=True)])


def _batches(result: ResultSet, schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """The rows in parts. Columns are found by position: several may have the same name."""
    for first in range(0, len(result), rows):
        part = result.table.slice(first, rows)
        arrays = [_array(part.column(n).combine_chunks(), column.type) for n, column in enumerate(result.columns)]
        yield pa.Table.from_arrays(arrays, schema=schema)


def _array(values: pa.Array, kind: SqlType) -> pa.Array:
    """Values of the store's form in Arrow's types of times, the fields of rows with their names."""
    match kind:
        case ArrayType():
            whole = pa.concat_arrays([values])  # without the offset of a slice, which a mask may not have
            return pa.ListArray.from_arrays(whole.offsets, _array(whole.values, kind.element), mask=whole.is_null())
        case TimeSeriesType() | MapType():
            return _array(values, kind.rows)
        case RowType():
            names = [name or f"field{place}" for place, (name, _) in enumerate(kind.fields)]
            fields = [_array(values.field(place), field) for place, (_, field) in enumerate(kind.fields)]
            return pa.StructArray.from_arrays(fields, names, mask=values.is_null())
        case ZonedType():
            return values.cast(pa.timestamp("ns", tz=kind.zone))
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
