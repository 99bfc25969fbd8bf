"""The time of a reading according to its payload, in nanoseconds UTC since 1970.

A number is read exactly as written: 1758639600.123456789 s are 1758639600123456789 ns, although no double is; if the
double does not have all digits, the digits in the payload count. A number in quotes is a number. Text is ISO 8601
(`pipeline.stream.normalise.iso8601`). The range is Timestream's, 1970-01-01 to 2262-04-11.
"""

from __future__ import annotations

import json
from datetime import UTC
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from pipeline.base.errors import PayloadError
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.body import Scalar
from pipeline.stream.normalise.iso8601 import iso_ns
from pipeline.stream.normalise.routes import MAX_TIME_NS, Route, TimeField, TimeUnit
from pipeline.stream.normalise.showing import shown
from pipeline.stream.normalise.values import number_of
from store.host_time import is_set
from store.values.times import rfc3339

NS_PER_UNIT = {TimeUnit.S: 10**9, TimeUnit.MS: 10**6, TimeUnit.US: 10**3, TimeUnit.NS: 1}
_AFTER_A_NUMBER = b",}] \r\n\t"
_MOST_ZEROS = 24


def time_ns_of(value: Scalar | Decimal, time: TimeField, arrival_ns: int) -> int:
    """The time in `value`. Raises PayloadError: TIME_UNREADABLE or TIME_OUT_OF_RANGE."""
    is_text = time.unit is TimeUnit.ISO8601
    time_ns = _iso(value, time, arrival_ns) if is_text else _number_ns(value, NS_PER_UNIT[time.unit])
    if time_ns is None:
        raise PayloadError(Reason.TIME_UNREADABLE, f"the time is {shown(value)}; it should be {_wanted(value, time)}")
    if not 0 <= time_ns <= MAX_TIME_NS:
        raise PayloadError(
            Reason.TIME_OUT_OF_RANGE, f"the time is {shown(value)}; times are from 1970-01-01 to 2262-04-11"
        )
    return time_ns


def is_as_written(value: Scalar | None, payload: bytes) -> bool:
    """Whether `value` has all digits of its number in the payload."""
    if type(value) is not float:
        return True
    text = repr(value).encode()
    at = payload.find(text)
    after = at + len(text)
    return at >= 0 and payload[after : after + _MOST_ZEROS].lstrip(b"0")[:1] in _AFTER_A_NUMBER


def decimals(payload: bytes) -> Any:
    """The JSON value of `payload`, with exact decimal numbers."""
    return json.loads(payload, parse_float=_decimal)


def _decimal(text: str) -> Decimal:
    """The number; one whose exponent no Decimal has is infinite, or zero, as for a double."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(float(text))


def check_limits(time_ns: int, arrival_ns: int, route: Route) -> None:
    """Raise PayloadError if the time is beyond the limits of the table, relative to the arrival.

    The limits are inclusive.

    If the host's clock was not set at the arrival, no time is too far ahead, because the host is behind.
    """
    ahead_ns = time_ns - arrival_ns
    if ahead_ns > route.future_ns and is_set(arrival_ns):
        raise PayloadError(
            Reason.TOO_FAR_AHEAD,
            f"{_text(time_ns)} is {ahead_ns / 1e9:.3f} s ahead of its arrival; at most {route.future_ns / 1e9:g} s are",
        )
    if route.late_ns is not None and -ahead_ns > route.late_ns:
        raise PayloadError(
            Reason.TOO_LATE,
            f"{_text(time_ns)} is {-ahead_ns / 1e9:.3f} s before its arrival; kept are {route.late_ns / 1e9:g} s",
        )


def _iso(value: Any, time: TimeField, arrival_ns: int) -> int | None:
    return iso_ns(value, time.zone, arrival_ns) if type(value) is str else None


def _number_ns(value: Scalar | Decimal, ns_per_unit: int) -> int | None:
    if type(value) is str:
        number = number_of(value)
        if number is None or abs(number) > MAX_TIME_NS:
            return None if number is None else MAX_TIME_NS + 1
        value = number if type(number) is int else _decimal(value.strip())
    if type(value) is int:
        return value * ns_per_unit
    if type(value) is float:
        # The device wrote the shortest decimal that is read as this double.
        value = Decimal(repr(value))
    if type(value) is not Decimal or not value.is_finite():
        return None
    if value.copy_abs() > MAX_TIME_NS:  # `abs` would raise Overflow for a large exponent
        return MAX_TIME_NS + 1  # beyond all times; the code below would compute an integer with that many digits
    return int((value * ns_per_unit).to_integral_value(ROUND_HALF_EVEN))


def _wanted(value: Any, time: TimeField) -> str:
    if time.unit is not TimeUnit.ISO8601:
        return f"a number of {time.unit}"
    if time.zone is None and type(value) is str and iso_ns(value, UTC, 0) is not None:
        return (
            "ISO 8601 with Z or an offset: a local time is read where the table says whose, as in "
            f"time: {{field: {time.field}, unit: iso8601, zone: Europe/Berlin}}"
        )
    return "ISO 8601 text" if time.zone else "ISO 8601 text with Z or an offset"


def _text(time_ns: int) -> str:
    return rfc3339(time_ns, 6)
