"""The value of one measure, by its type: what a JSON scalar may become, and why not.

A type is, in this order, the one the table has for the measure already, the one configured, the one the value says: a
number is a double however it is written, true and false are booleans, text is varchar. So a measure keeps its kind.
"""

from __future__ import annotations

import functools
import math

from pipeline.config.names import check_measure
from pipeline.dead_letter import Reason
from pipeline.errors import PayloadError
from pipeline.normalise.body import Scalar, shown
from store.record import MeasureType
from store.units import Conversion

MAX_TEXT_BYTES = 2_048  # Timestream: MeasureValue
MAX_EXACT = 2**53  # integers up to here are exact in a double
_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1


@functools.lru_cache(maxsize=8_192)
def name_problem(name: str) -> str | None:
    """Why no measure may be called so, or None."""
    try:
        check_measure(name)
    except ValueError as error:
        return str(error)
    return None


def type_said_by(value: Scalar) -> MeasureType:
    """The type of an unlisted measure by its value."""
    if isinstance(value, bool):
        return MeasureType.BOOLEAN
    return MeasureType.VARCHAR if isinstance(value, str) else MeasureType.DOUBLE


def typed(name: str, value: Scalar, measure_type: MeasureType, convert: Conversion | None) -> Scalar:
    """`value` as the measure `name` of this type has it. Raises PayloadError: WRONG_TYPE or OUT_OF_RANGE."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if measure_type is MeasureType.DOUBLE and is_number:
        return _double(name, float(value), convert)
    if measure_type is MeasureType.BIGINT and is_number:
        return _bigint(name, value if convert is None else _double(name, float(value), convert))
    if measure_type is MeasureType.BOOLEAN and isinstance(value, bool):
        return value
    if measure_type is MeasureType.VARCHAR and isinstance(value, str):
        size_bytes = len(value.encode())
        if size_bytes > MAX_TEXT_BYTES:
            raise PayloadError(
                Reason.OUT_OF_RANGE, f"{name}: a text of {size_bytes} bytes; at most {MAX_TEXT_BYTES} are stored"
            )
        return value
    raise _wrong(name, value, measure_type)


def _double(name: str, value: float, convert: Conversion | None) -> float:
    if convert is None:
        return value
    converted = convert(value)
    if not math.isfinite(converted):
        raise PayloadError(Reason.OUT_OF_RANGE, f"{name}: {value!r} is beyond a double in the measure's unit")
    return converted


def _bigint(name: str, value: Scalar) -> int:
    """An integer; also one written 21.0 or 1e3, as far as a double tells integers apart."""
    if isinstance(value, float):
        if not value.is_integer():
            raise _wrong(name, value, MeasureType.BIGINT)
        if abs(value) > MAX_EXACT:
            raise PayloadError(Reason.OUT_OF_RANGE, f"{name}: {value!r} is beyond what is exact as a bigint (2^53)")
    whole = int(value)
    if not _BIGINT_MIN <= whole <= _BIGINT_MAX:
        raise PayloadError(Reason.OUT_OF_RANGE, f"{name}: {whole} is beyond a bigint ({_BIGINT_MIN} to {_BIGINT_MAX})")
    return whole


def _wrong(name: str, value: Scalar, measure_type: MeasureType) -> PayloadError:
    return PayloadError(Reason.WRONG_TYPE, f"{name}: {shown(value)}, but the measure is {measure_type}")
