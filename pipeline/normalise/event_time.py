"""When a reading was taken, from what the payload says, in nanoseconds UTC since 1970.

A number is read as it is written: 1758639600.123 s are exactly 1758639600123000000 ns, although no double is. Text is
ISO 8601 (the profile of RFC 3339, `T` or a space, seconds optional) with an offset; without one it could be any zone's
and is refused. Range: Timestream's, 1970-01-01 to 2262-04-11.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal

from pipeline.dead_letter import Reason
from pipeline.errors import PayloadError
from pipeline.normalise.body import Scalar, shown
from pipeline.normalise.routes import MAX_TIME_NS, Route, TimeUnit

NS_PER_UNIT = {TimeUnit.S: 10**9, TimeUnit.MS: 10**6, TimeUnit.US: 10**3, TimeUnit.NS: 1}

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:[Zz]|([+-])(\d\d)(?::?([0-5]\d))?)",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  # `timezone` is needed below anyway


def time_ns_of(value: Scalar, unit: TimeUnit) -> int:
    """The time that `value` says. Raises PayloadError: TIME_UNREADABLE or TIME_OUT_OF_RANGE."""
    time_ns = _iso_ns(value) if unit is TimeUnit.ISO8601 else _number_ns(value, NS_PER_UNIT[unit])
    if time_ns is None:
        wanted = "ISO 8601 text with Z or an offset" if unit is TimeUnit.ISO8601 else f"a number of {unit}"
        raise PayloadError(Reason.TIME_UNREADABLE, f"the time is {shown(value)}; it should be {wanted}")
    if not 0 <= time_ns <= MAX_TIME_NS:
        raise PayloadError(
            Reason.TIME_OUT_OF_RANGE, f"the time is {shown(value)}; times are from 1970-01-01 to 2262-04-11"
        )
    return time_ns


def check_limits(time_ns: int, arrival_ns: int, route: Route) -> None:
    """Raise PayloadError if the time is beyond what the table believes, seen from the arrival. Bounds are allowed."""
    ahead_ns = time_ns - arrival_ns
    if ahead_ns > route.future_ns:
        raise PayloadError(
            Reason.TOO_FAR_AHEAD,
            f"{_text(time_ns)} is {ahead_ns / 1e9:.3f} s ahead of its arrival; at most {route.future_ns / 1e9:g} s are",
        )
    if route.late_ns is not None and -ahead_ns > route.late_ns:
        raise PayloadError(
            Reason.TOO_LATE,
            f"{_text(time_ns)} is {-ahead_ns / 1e9:.3f} s before its arrival; kept are {route.late_ns / 1e9:g} s",
        )


def _number_ns(value: Scalar, ns_per_unit: int) -> int | None:
    if type(value) is int:
        return value * ns_per_unit
    if type(value) is float:
        # The shortest decimal that makes this double is what the device wrote.
        return int((Decimal(repr(value)) * ns_per_unit).to_integral_value(ROUND_HALF_EVEN))
    return None


def _iso_ns(value: Scalar) -> int | None:
    match = _ISO.fullmatch(value) if type(value) is str else None
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = match.groups()
    try:
        offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=zone)
    except ValueError:
        return None  # no such day or hour, or an offset of 24 h and more
    return (moment - _EPOCH) // timedelta(seconds=1) * 10**9 + int((fraction or "0").ljust(9, "0"))


def _text(time_ns: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=time_ns // 1_000):%Y-%m-%dT%H:%M:%S.%fZ}"
