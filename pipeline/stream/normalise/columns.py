"""The values of one field of many messages as one column, if that is proven to equal the result of single messages.

Each function returns the column and no suspects, or the positions of suspects: values that must be read one by one
(`pipeline.stream.normalise.reading`), some of which may be good. pyarrow's own conversions accept true as 1.0 and
2.0 as an integer, so Python types are checked first.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.base.errors import PayloadError
from pipeline.stream.normalise.event_time import NS_PER_UNIT, is_as_written, time_ns_of
from pipeline.stream.normalise.routes import MAX_TIME_NS, Route, TimeField, TimeUnit
from pipeline.stream.normalise.values import MAX_EXACT
from store.catalog.units import Conversion
from store.host_time import WRITTEN_NS
from store.record import Int64s, MeasureType

_ALLOWED: dict[MeasureType, frozenset[type]] = {
    MeasureType.DOUBLE: frozenset({float, int, NoneType}),
    MeasureType.BIGINT: frozenset({int, NoneType}),
    MeasureType.BOOLEAN: frozenset({bool, NoneType}),
    MeasureType.VARCHAR: frozenset({str, NoneType}),
    MeasureType.TIMESTAMP: frozenset({NoneType}),
}


def measure_column(
    values: list[Any], measure_type: MeasureType, convert: Conversion | None
) -> tuple[pa.Array | None, list[int]]:
    """The measure's column, or suspects."""
    if set(map(type, values)) <= _ALLOWED[measure_type]:
        try:
            column = pa.array(values, measure_type.arrow)
        except (pa.ArrowInvalid, OverflowError):  # an integer that is not exact in a double, or beyond a bigint
            return None, _suspects(values, measure_type)
        return (column, []) if convert is None else _converted(column, measure_type, convert)
    return None, _suspects(values, measure_type)


def time_column(
    values: list[Any], time: TimeField, arrivals: Int64s, payloads: Iterable[bytes]
) -> tuple[Int64s | None, list[int]]:
    """The event times in nanoseconds, or suspects. `payloads` contain the digits of the numbers."""
    if time.unit is not TimeUnit.ISO8601 and set(map(type, values)) == {int}:
        scale = NS_PER_UNIT[time.unit]
        try:
            raw = np.array(values, np.int64)
        except OverflowError:
            return None, [i for i, value in enumerate(values) if not 0 <= value <= MAX_TIME_NS]
        if raw.min() < 0 or raw.max() > MAX_TIME_NS // scale:
            return None, np.flatnonzero((raw < 0) | (raw > MAX_TIME_NS // scale)).tolist()
        return raw * scale, []
    times, suspects = [], []
    for i, (value, payload) in enumerate(zip(values, payloads, strict=True)):
        try:
            if not is_as_written(value, payload):
                suspects.append(i)
            else:
                times.append(time_ns_of(value, time, int(arrivals[i])))
        except PayloadError:
            suspects.append(i)
    return (None, suspects) if suspects else (np.array(times, np.int64), [])


def beyond_limits(time_ns: Int64s, arrival_ns: Int64s, route: Route) -> list[int]:
    """The positions of times that are too far ahead of, or behind, their arrival."""
    ahead = time_ns - arrival_ns  # both in [0, 2^63): no overflow
    is_beyond = (ahead > route.future_ns) & (arrival_ns >= WRITTEN_NS)  # as in `event_time.check_limits`
    if route.late_ns is not None:
        is_beyond |= ahead < -route.late_ns
    return np.flatnonzero(is_beyond).tolist() if is_beyond.any() else []


def all_null(columns: list[pa.Array]) -> list[int]:
    """The positions at which no column (n ≥ 1) has a value."""
    if any(column.null_count == 0 for column in columns):
        return []
    has_value = np.zeros(len(columns[0]), bool)
    for column in columns:
        has_value |= column.is_valid().to_numpy(zero_copy_only=False)
    return np.flatnonzero(~has_value).tolist()


def _suspects(values: list[Any], measure_type: MeasureType) -> list[int]:
    allowed = _ALLOWED[measure_type]
    return [i for i, value in enumerate(values) if type(value) not in allowed or _is_beyond(value, measure_type)]


def _is_beyond(value: Any, measure_type: MeasureType) -> bool:
    if measure_type is MeasureType.DOUBLE:
        return type(value) is int and abs(value) > MAX_EXACT
    return measure_type is MeasureType.BIGINT and type(value) is int and not -(2**63) <= value < 2**63


def _converted(column: pa.Array, measure_type: MeasureType, convert: Conversion) -> tuple[pa.Array | None, list[int]]:
    is_null = column.is_null().to_numpy(zero_copy_only=False)
    if measure_type is not MeasureType.DOUBLE:
        return None, np.flatnonzero(~is_null).tolist()
    with np.errstate(over="ignore"):
        converted = (column.to_numpy(zero_copy_only=False) * convert.factor + convert.shift) / convert.divisor
    suspects = np.flatnonzero(~np.isfinite(converted) & ~is_null).tolist()
    return (None, suspects) if suspects else (pa.array(converted, mask=is_null), [])
