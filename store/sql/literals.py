"""Texts of times and their values: timestamps, dates, times of day, intervals. Exact to nanoseconds.

A timestamp is `YYYY-MM-DD`, optionally with ` HH:MM`, ` HH:MM:SS` or ` HH:MM:SS.f` of one to nine digits, in UTC; `T`
may replace the space, and `Z`, `UTC` or an offset such as `+02:00` may follow. An interval constant is a number with a
unit and no space, `5m`, `1day`, `2y`; or, as in Trino, a text with its units, `INTERVAL '1 2:03' DAY TO MINUTE`.
Ranges: AWS reference, "Supported data types".
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from store.sql.types import INTERVAL, MONTHS
from store.values.times import EPOCH, NS, whole_s

if TYPE_CHECKING:
    from store.sql.types import ScalarType

NS_PER_S = NS
NS_PER_DAY = 86_400 * NS_PER_S
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

UNIT_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "d": NS_PER_DAY,
    "nanosecond": 1,
    "microsecond": 1_000,
    "millisecond": 1_000_000,
    "second": NS_PER_S,
    "minute": 60 * NS_PER_S,
    "hour": 3_600 * NS_PER_S,
    "day": NS_PER_DAY,
    "week": 7 * NS_PER_DAY,
}
UNIT_MONTHS = {"month": 1, "y": 12, "year": 12}

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?"
    r"(?: ?(Z|UTC)| ?([+-]\d{2}):?(\d{2}))?)?",
    re.ASCII,
)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_INTERVAL = re.compile(r"(\d{1,400})([a-z]+)", re.ASCII)  # more digits are out of every range


def parse_timestamp(text: str) -> int | None:
    """Nanoseconds since 1970 of a timestamp text; None if it is not one, or out of range."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, _, zone_hours, zone_minutes = match.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        return None
    seconds = whole_s(moment)
    if zone_hours is not None:
        offset = int(zone_hours[1:]) * 3600 + int(zone_minutes) * 60
        seconds -= -offset if zone_hours[0] == "-" else offset
    time_ns = seconds * NS_PER_S + int((fraction or "").ljust(9, "0"))
    return time_ns if INT64_MIN <= time_ns <= INT64_MAX else None


def parse_date(text: str) -> int | None:
    """Days since 1970 of a date text; None if it is not one."""
    match = _DATE.fullmatch(text.strip())
    try:
        return None if match is None else (date(*map(int, match.groups())) - EPOCH.date()).days
    except ValueError:
        return None


def parse_iso_date(text: str) -> int | None:
    """Days since 1970 of a date in a form of ISO 8601, also `2020-W10`; None if it is not one."""
    try:
        return (date.fromisoformat(text.strip()) - EPOCH.date()).days
    except ValueError:
        return None


def parse_time(text: str) -> int | None:
    """Nanoseconds since midnight of a time text; None if it is not one."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        return None
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    return seconds * NS_PER_S + int((fraction or "").ljust(9, "0"))


def parse_interval(text: str) -> tuple[int, ScalarType] | None:
    """The length of an interval constant (`5m`) in nanoseconds or in months, and its type; None if it is not one."""
    match = _INTERVAL.fullmatch(text.lower())
    if match is None:
        return None
    number, unit = int(match[1]), match[2]
    if unit in UNIT_NS and unit != "week":
        return number * UNIT_NS[unit], INTERVAL
    if unit in UNIT_MONTHS:
        return number * UNIT_MONTHS[unit], MONTHS
    return None


def parse_duration(text: str) -> tuple[int, ScalarType] | None:
    """The same of a text in which the number may have a fraction, and a space may follow it; rounded half up."""
    match = re.fullmatch(r"\s*(\d{1,18})(?:\.(\d{1,18}))?\s*([a-z]+)\s*", text.lower(), re.ASCII)
    parsed = None if match is None else parse_interval(f"1{match[3]}")
    if match is None or parsed is None:
        return None
    unit, kind = parsed
    digits = len(match[2] or "")
    return (int(match[1] + (match[2] or "")) * unit * 2 + 10**digits) // (2 * 10**digits), kind


_UNITS = ("year", "month", "day", "hour", "minute", "second")
_LENGTHS = (12, 1, NS_PER_DAY, UNIT_NS["hour"], UNIT_NS["minute"], NS_PER_S)
_BEFORE = ("", "-", "", " ", ":", ":")
_WHOLE, _SECONDS = r"(\d{1,18})", r"(\d{1,18}(?:\.\d{1,9})?)"


def parse_interval_text(text: str, first: str, last: str) -> tuple[int, ScalarType] | None:
    """The length in nanoseconds or months of a text with parts of these units; None if it is not one.

    The first part must be there, the following can be missing. Raises LookupError if there are no such texts.
    """
    if first == last not in _UNITS:  # a week, or a part of a second
        match = re.fullmatch(rf"([+-]?){_WHOLE}", text, re.ASCII)
        units: tuple[int, ...] = (UNIT_NS[first],)
    else:
        low, high = (_UNITS.index(unit) if unit in _UNITS else len(_UNITS) for unit in (first, last))
        if low > high or high == len(_UNITS) or (low < 2) != (high < 2):
            raise LookupError
        parts = [_SECONDS if unit == "second" else _WHOLE for unit in _UNITS]
        others = "".join(f"(?:{_BEFORE[place]}{parts[place]}" for place in range(low + 1, high + 1))
        match = re.fullmatch(f"([+-]?){parts[low]}{others}{')?' * (high - low)}", text, re.ASCII)
        units = _LENGTHS[low : high + 1]
    if match is None:
        return None
    sign, *numbers = match.groups()
    length = sum(_scaled(number, unit) for number, unit in zip(numbers, units, strict=True) if number is not None)
    return (-length if sign == "-" else length), MONTHS if first in _UNITS[:2] else INTERVAL


def _scaled(number: str, length: int) -> int:
    """A number of such lengths; only seconds have a fraction, of up to nine digits."""
    whole, _, fraction = number.partition(".")
    return int(whole) * length + int(fraction.ljust(9, "0") if fraction else 0)
