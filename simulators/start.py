"""The start of a simulation's event time: `now`, `-6h`, `2026-06-21T06:00:00Z`."""

from __future__ import annotations

from store.values.durations import duration_ns, parse_duration
from store.values.times import parse_rfc3339


def parse_start_ns(text: str, now_ns: int) -> int:
    """Nanoseconds UTC of `now`, of `-6h` (before now), or of an RFC 3339 time with its offset."""
    if text == "now":
        return now_ns
    if text.startswith("-"):
        return now_ns - duration_ns(parse_duration(text[1:]))
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise ValueError(f'"{text}" is not a start time; write now, -6h, or 2026-06-21T06:00:00Z') from None
