"""Times and durations in parameters → nanoseconds. Pure: the present arrives as a value.

A time is RFC 3339 with an offset (`2026-11-23T10:00:00Z`) or relative, `1h` for an hour ago.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pipeline.api.http.problems import bad_parameter

NS = 1_000_000_000
_UNITS_NS = {"ms": NS // 1000, "s": NS, "m": 60 * NS, "h": 3600 * NS, "d": 86_400 * NS, "w": 7 * 86_400 * NS}
_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d|w)")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_BLANK_FOR_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:\d\d)$")  # a + that is not escaped arrives as a blank
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS = 2**63 - 1


def duration_ns(name: str, text: str) -> int:
    """The length of a duration such as `5m`; at least 1 ms. Raises Problem naming the parameter."""
    match = _DURATION.fullmatch(text)
    length = int(match[1]) * _UNITS_NS[match[2]] if match else 0
    if not 0 < length <= _LAST_NS:
        raise bad_parameter(
            name, text, "a duration is a whole number above 0 and a unit: ms, s, m, h, d or w, as in 5m"
        )
    return length


def time_ns(name: str, text: str, now_ns: int) -> int:
    """The instant a parameter means. Raises Problem naming the parameter."""
    if _DURATION.fullmatch(text):
        return max(0, now_ns - duration_ns(name, text))
    match = _RFC_3339.fullmatch(_BLANK_FOR_PLUS.sub(r"\1+\2", text))
    allowed = "a time is RFC 3339 with an offset, as in 2026-11-23T10:00:00Z, or relative, as in 1h for an hour ago"
    if not match:
        raise bad_parameter(name, text, allowed)
    text, fraction = match[0], match[1] or ""
    try:
        whole = datetime.fromisoformat(text.upper().replace(fraction, "", 1) if fraction else text.upper())
        nanoseconds = (whole - _EPOCH) // timedelta(seconds=1) * NS + int(fraction[1:].ljust(9, "0") or 0)
    except (ValueError, OverflowError):
        raise bad_parameter(name, text, allowed) from None
    if not 0 <= nanoseconds <= _LAST_NS:
        raise bad_parameter(name, text, "times are between 1970-01-01 and 2262-04-11")
    return nanoseconds
