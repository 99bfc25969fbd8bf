"""Durations and start times as people write them: `90s 5m 1h 365d`, `now`, `-6h`, `2026-06-21T06:00:00Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def parse_duration_s(text: str) -> float:
    """Seconds of a duration such as `5m` or `1h30m`. Raises ValueError that says what is allowed."""
    position, total_s = 0, 0.0
    for match in _DURATION.finditer(text):
        if match.start() != position:
            break
        total_s += float(match[1]) * _UNITS_S[match[2]]
        position = match.end()
    if not text or position != len(text):
        raise ValueError(f'"{text}" is not a duration; write a number and one of {" ".join(_UNITS_S)}, as in 90s 5m 1h')
    return total_s


def parse_start_ns(text: str, now_ns: int) -> int:
    """Nanoseconds UTC of `now`, of `-6h` (so long before now), or of an RFC 3339 time with its offset."""
    if text == "now":
        return now_ns
    if text.startswith("-"):
        return now_ns - round(parse_duration_s(text[1:]) * NS_PER_S)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(f'"{text}" is not a start time; write now, -6h, or 2026-06-21T06:00:00Z')
    return round(time.timestamp() * 1000) * NS_PER_MS


def rfc3339_ms(time_ms: int) -> str:
    """A time in milliseconds UTC as RFC 3339 text with milliseconds."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
