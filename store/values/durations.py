"""Durations as texts: a whole number and its unit, `500ms`, `90s`, `5m`, `1h`, `7d`, `2w`. Pure.

A number without a unit is rejected: `for: 5` means minutes to one reader and seconds to another.
"""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
FORM = f"a whole number and one of {' '.join(_UNITS)}, as in 90s 5m 1h 365d"
PATTERN = f"([0-9]{{1,15}})({'|'.join(_UNITS)})"
LONGEST = timedelta(days=73_000)  # Timestream's longest retention; int64 nanoseconds would reach 106,751 days
_DURATION = re.compile(PATTERN)


def parse_duration(value: object, *, longest: timedelta = LONGEST, may_be_zero: bool = False) -> timedelta:
    """The duration of a text. Raises ValueError with the value and what is allowed."""
    duration = value if isinstance(value, timedelta) else _read(value)
    if duration > longest or duration < timedelta(0) or (not duration and not may_be_zero):
        least = "at least" if may_be_zero else "more than"
        raise ValueError(f"{shown(value)} is out of range; a duration is {least} 0s and at most {longest.days}d")
    return duration


def _read(value: object) -> timedelta:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a duration; write {FORM}")
    unit = _UNITS[match[2]]
    return min(int(match[1]), timedelta.max // unit) * unit


def is_duration(text: str) -> bool:
    """Whether `text` has the form of a duration; it may still be out of range for `parse_duration`."""
    return _DURATION.fullmatch(text) is not None


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` converts to `duration` (exact to a millisecond)."""
    if not duration:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        if duration % _UNITS[unit] == timedelta(0):
            return f"{duration // _UNITS[unit]}{unit}"
    return f"{duration // _UNITS['ms']}ms"


def duration_ns(duration: timedelta) -> int:
    """The number of whole nanoseconds of `duration`."""
    return duration // timedelta(microseconds=1) * 1_000


def shown(value: object) -> str:
    """`value` as it is shown in error messages."""
    return f'"{value}"' if isinstance(value, str) else repr(value)
