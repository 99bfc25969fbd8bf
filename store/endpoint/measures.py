"""Converts the texts of a record: measures by their type, times by their unit. None: not a valid text.

Every value in a request is text. Doubles are finite, bigints have 64 bits, booleans are `true` or `false` in any case,
times whole numbers of their unit from 1970 to 2262-04-11. Reference: API `Record`, `MeasureValue`; AWS "Data types".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from store.endpoint.payload import Value
from store.record import MeasureType

UNIT_NS = {"SECONDS": 1_000_000_000, "MILLISECONDS": 1_000_000, "MICROSECONDS": 1_000, "NANOSECONDS": 1}
TIME_MAX_NS = 2**63 - 1

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


def parse_time(text: str, unit: str) -> int | None:
    """Nanoseconds since 1970."""
    if not text.isascii() or not text.isdigit():
        return None
    time_ns = int(text) * UNIT_NS[unit] if len(text) <= 19 else TIME_MAX_NS + 1
    return time_ns if time_ns <= TIME_MAX_NS else None


def parse_measure(text: str, kind: MeasureType, time_unit: str) -> Value | None:
    """The value of a measure of this type; a timestamp is in the record's time unit and converted to nanoseconds."""
    if kind is MeasureType.TIMESTAMP:
        return parse_time(text, time_unit)
    return _PARSERS[kind](text)


def _double(text: str) -> float | None:
    number = float(text) if _DECIMAL.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def _bigint(text: str) -> int | None:
    whole = int(text) if _WHOLE.fullmatch(text) else 2**63
    return whole if -(2**63) <= whole < 2**63 else None


_PARSERS: Mapping[MeasureType, Callable[[str], Value | None]] = {
    MeasureType.DOUBLE: _double,
    MeasureType.BIGINT: _bigint,
    MeasureType.BOOLEAN: lambda text: _BOOLEANS.get(text.lower()),
    MeasureType.VARCHAR: lambda text: text,
}
