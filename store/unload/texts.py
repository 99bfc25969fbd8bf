"""The values of a result as columns of Arrow for files: CSV has texts, Parquet types of its own.

Arrays, rows, maps and time series are JSON in both, as in the service.
"""

from __future__ import annotations

from functools import partial

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from store.sql import TEXTS, RowType, Scalar, ScalarType, SqlType
from store.sql.nested_texts import NestedForm
from store.sql.texts import around, by_unique, scalar_texts

_QUOTE = '"'
_PLAIN = {  # that JSON has, too
    ScalarType.BOOLEAN,
    ScalarType.INTEGER,
    ScalarType.BIGINT,
    ScalarType.DOUBLE,
    ScalarType.VARCHAR,
    ScalarType.UNKNOWN,
}
_encoder = msgspec.json.Encoder()


def text_column(column: pa.ChunkedArray, kind: SqlType) -> pa.Array:
    """The values as texts; null remains null."""
    if not isinstance(kind, Scalar):
        values = column.combine_chunks()
        return pc.if_else(values.is_valid(), _FORM.texts(values, kind), pa.scalar(None, pa.string()))
    if kind in TEXTS:
        return column.combine_chunks()
    return by_unique(column, partial(scalar_texts, kind=kind))


def typed_column(column: pa.ChunkedArray, kind: SqlType) -> pa.Array:
    """The values as Parquet has them: times with a type, what has no type there as texts."""
    match kind:
        case ScalarType.TIMESTAMP:
            return column.combine_chunks().cast(pa.int64()).cast(pa.timestamp("ns"))
        case ScalarType.DATE:
            return column.combine_chunks().cast(pa.int32()).cast(pa.date32())
        case (
            ScalarType.BOOLEAN
            | ScalarType.INTEGER
            | ScalarType.BIGINT
            | ScalarType.DOUBLE
            | ScalarType.VARCHAR
            | ScalarType.VARBINARY
            | ScalarType.JSON
        ):
            return column.combine_chunks().cast(_ARROW[kind])
    return text_column(column, kind)


_ARROW: dict[SqlType, pa.DataType] = {
    ScalarType.BOOLEAN: pa.bool_(),
    ScalarType.INTEGER: pa.int32(),
    ScalarType.BIGINT: pa.int64(),
    ScalarType.DOUBLE: pa.float64(),
    ScalarType.VARCHAR: pa.string(),
    ScalarType.VARBINARY: pa.binary(),
    ScalarType.JSON: pa.string(),
    ScalarType.TIMESTAMP: pa.timestamp("ns"),
    ScalarType.DATE: pa.date32(),
}


def parquet_type(kind: SqlType) -> pa.DataType:
    """The type of a column in Parquet."""
    return _ARROW.get(kind, pa.string())


def csv_cells(texts: pa.Array, delimiter: str, escape: str) -> pa.Array:
    """Texts as cells: quoted if they have to be; null is an empty cell, an empty text is two quotes."""
    special = f"{delimiter}{escape}{_QUOTE}\r\n"
    needs = pc.or_(pc.match_substring_regex(texts, f"[{_class(special)}]"), pc.equal(texts, ""))
    if not pc.any(needs).as_py():
        return texts.fill_null("")
    escaped = texts
    for character in dict.fromkeys((escape, _QUOTE)):
        escaped = pc.replace_substring(escaped, character, escape + character)
    quoted = pc.binary_join_element_wise(_QUOTE, escaped, _QUOTE, "")
    return pc.if_else(needs, quoted, texts).fill_null("")


def _class(characters: str) -> str:
    return "".join(f"\\x{ord(character):02x}" for character in characters)


def _json_values(kind: Scalar, values: pa.Array) -> pa.Array:
    """Numbers, booleans and texts as JSON has them, everything else as text; what is no finite number is null."""
    if kind is ScalarType.JSON:
        return values
    if kind in _PLAIN:
        return pa.array([_encoder.encode(value).decode() for value in values.to_pylist()], pa.string())
    return around(_QUOTE, scalar_texts(values, kind), _QUOTE)


def _row(kind: RowType) -> list[str]:
    """Around the fields of a row: a list, unless all of them have names."""
    names = [name for name, _ in kind.fields]
    if not all(names) or len(set(names)) < len(names):
        return ["[", *[","] * (len(names) - 1), "]"]
    first, *others = (_encoder.encode(name).decode() for name in names)
    return [f"{{{first}:", *(f",{name}:" for name in others), "}"]


_FORM = NestedForm(_json_values, "null", ("[", "]"), _row)
