"""Times and durations in parameters → nanoseconds. Pure: the current time is an argument.

A time is RFC 3339 with an offset (`2026-11-23T10:00:00Z`) or relative, `1h` for an hour ago.
"""

from __future__ import annotations

import re

from pipeline.api.http.problems import bad_parameter
from store.values.durations import FORM, LONGEST, is_duration, parse_duration
from store.values.durations import duration_ns as ns_of
from store.values.times import parse_rfc3339

_BLANK_FOR_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:\d\d)$")  # a + that is not escaped arrives as a blank
_LAST_NS = 2**63 - 1


def duration_ns(name: str, text: str) -> int:
    """The length of a duration such as `5m`; at least 1 ms. Raises Problem naming the parameter."""
    try:
        return ns_of(parse_duration(text))
    except ValueError:
        allowed = f"a duration is {FORM}; it is more than 0s and at most {LONGEST.days}d"
        raise bad_parameter(name, text, allowed) from None


def until_ns(name: str, text: str, now_ns: int) -> int:
    """The time of a parameter that is ahead: RFC 3339, or a duration from now. Raises Problem naming the parameter."""
    return now_ns + duration_ns(name, text) if is_duration(text) else time_ns(name, text, now_ns)


def time_ns(name: str, text: str, now_ns: int) -> int:
    """The time of a parameter. Raises Problem naming the parameter."""
    if is_duration(text):
        return max(0, now_ns - duration_ns(name, text))
    try:
        nanoseconds = parse_rfc3339(_BLANK_FOR_PLUS.sub(r"\1+\2", text))
    except (ValueError, OverflowError):
        allowed = "a time is RFC 3339 with an offset, as in 2026-11-23T10:00:00Z, or relative, as in 1h for an hour ago"
        raise bad_parameter(name, text, allowed) from None
    if not 0 <= nanoseconds <= _LAST_NS:
        raise bad_parameter(name, text, "times are between 1970-01-01 and 2262-04-11")
    return nanoseconds
