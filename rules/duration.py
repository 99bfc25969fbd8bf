"""Durations as rule files write them: `500ms`, `90s`, `5m`, `1h`, `7d`.

A number without a unit is refused rather than guessed at: `for: 5` means minutes to one reader and seconds to another.
"""

from __future__ import annotations

import re
from datetime import timedelta

FORM = "a number and one of ms, s, m, h, d, as in 90s or 5m"
LONGEST = timedelta(days=3650)  # beyond it a duration is a slip of the pen, and int64 nanoseconds come into sight

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")


def parse_duration(text: str) -> timedelta:
    """The duration that `text` writes. Raises ValueError, whose message ends the sentence "`for` …"."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a duration ({FORM}), is {text!r}")
    milliseconds = int(match[1]) * _UNITS_MS[match[2]]
    if milliseconds > LONGEST // timedelta(milliseconds=1):
        raise ValueError(f"must be at most {LONGEST.days}d, is {text!r}")
    return timedelta(milliseconds=milliseconds)


def duration_ns(duration: timedelta) -> int:
    """Whole nanoseconds of `duration`."""
    return duration // timedelta(microseconds=1) * 1_000
