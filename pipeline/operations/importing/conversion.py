"""Converts tables as files have them to rows as the server takes them, by a plan. Pure, and exact or refused.

A converted table has int64 nanoseconds as `time`, a column `measure_name`, a `version`, the dimensions as dictionaries
and the measures in their types; the metadata of each field say what it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.errors import ImportFailed
from pipeline.operations.importing.mapping import OfColumn
from pipeline.operations.importing.plan import MEASURE_NAME, TIME, Plan
from store.record import MeasureType

KIND = "streamgauge.kind"
UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
VERSION = "version"
_TEXT = pa.dictionary(pa.int32(), pa.string())
_ZONED = r"(?:[zZ]|[+-]\d{2}:?\d{2})$"


def converted(table: pa.Table, plan: Plan, where: str) -> pa.Table:
    """The rows of a table. Raises ImportFailed; `where` names the file in it."""
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []

    def add(name: str, kind: str, values: pa.Array) -> None:
        fields.append(pa.field(name, values.type, metadata={KIND: kind}))
        arrays.append(values)

    def read(column: str, convert: Callable[[pa.Array], pa.Array]) -> pa.Array:
        try:
            return convert(table[column].combine_chunks())
        except (pa.ArrowException, ValueError, OverflowError) as error:
            told = " ".join(str(error).split())
            raise ImportFailed(f"{where}: column {column}: {told}") from error

    add(TIME, "time", read(plan.time, lambda values: times(values, plan.unit)))
    name = plan.measure_name
    add(MEASURE_NAME, MEASURE_NAME, read(name.column, text) if isinstance(name, OfColumn) else _same(name, table))
    version = plan.version
    if isinstance(version, OfColumn):
        add(f"streamgauge.{VERSION}", VERSION, read(version.column, lambda values: values.cast(pa.int64())))
    elif version != 1:
        add(f"streamgauge.{VERSION}", VERSION, pa.array(np.full(len(table), version, np.int64)))
    for column, dimension in plan.dimensions.items():
        add(dimension, "dimension", read(column, text))
    for column, (measure, kind) in plan.measures.items():
        add(measure, "measure", read(column, lambda values, kind=kind: measured(values, kind)))  # type: ignore[misc]
    repeated = {field.name for field in fields if sum(field.name == other.name for other in fields) > 1}
    if repeated:
        raise ImportFailed(f"{where}: two columns become {min(repeated)}")
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _same(value: str, table: pa.Table) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(len(table), np.int32), [value])


def text(values: pa.Array) -> pa.Array:
    """Values as a dictionary of texts: also whole numbers and booleans, in their usual form."""
    if values.type == _TEXT:
        return values
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        raise ValueError("a number with a fraction is no text; let it be a measure")
    return values.cast(pa.string()).dictionary_encode()


def measured(values: pa.Array, kind: MeasureType) -> pa.Array:
    """Values in the type of a measure, exactly."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if kind is MeasureType.TIMESTAMP:
        return times(values, None).view(pa.timestamp("ns"))
    if kind is MeasureType.VARCHAR and not pa.types.is_string(values.type):
        return text(values).cast(pa.string())
    return values if values.type == kind.arrow else values.cast(kind.arrow)


def times(values: pa.Array, unit: str | None) -> pa.Array:
    """Times as int64 nanoseconds: of timestamps, of text (ISO 8601; UTC if it names no zone), of whole numbers."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("ns", kind.tz)).view(pa.int64())
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp("ns")).view(pa.int64())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _times_of_texts(values.cast(pa.string()), unit)
    if not pa.types.is_integer(kind):
        raise ValueError(f"it has the type {kind}; a time is a timestamp, text or a whole number")
    if unit is None:
        raise ValueError("whole numbers need a unit: --time-unit s, ms, us or ns")
    try:
        return pc.multiply_checked(values.cast(pa.int64()), pa.scalar(UNIT_NS[unit], pa.int64()))
    except pa.ArrowInvalid as error:
        span = pc.min_max(values).as_py()
        raise ValueError(
            f"times from {span['min']} to {span['max']} are not within 1677 and 2262 in the unit {unit}; --time-unit "
            "says which it is"
        ) from error


def _times_of_texts(texts: pa.Array, unit: str | None) -> pa.Array:
    if unit is not None:
        return times(texts.cast(pa.int64()), unit)
    has_zone = pc.match_substring_regex(texts, _ZONED)
    if not pc.any(has_zone).as_py():
        return texts.cast(pa.timestamp("ns")).view(pa.int64())
    zoned = pc.if_else(has_zone, texts, pa.scalar(None, pa.string())).cast(pa.timestamp("ns", "UTC")).view(pa.int64())
    plain = pc.if_else(has_zone, pa.scalar(None, pa.string()), texts).cast(pa.timestamp("ns")).view(pa.int64())
    return pc.coalesce(zoned, plain)
