"""Converts nanoseconds since 1970 to RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339), and back. Pure.

`pipeline.stream.normalise.iso8601` parses the less strict times of devices, `store.sql` those of SQL.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

NS = 1_000_000_000
NS_PER_MS = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)  # section 5.6


def whole_s(moment: datetime) -> int:
    """Whole seconds from 1970 to `moment`, which must have a zone; exact, unlike `timestamp()`."""
    return (moment - EPOCH) // _SECOND


def rfc3339(time_ns: int, digits: int | None = None) -> str:
    """`2026-11-23T10:02:05Z`, with this number of fraction digits (others are cut off); None: as many as necessary."""
    seconds, rest_ns = divmod(time_ns, NS)
    fraction = f"{rest_ns:09d}"
    fraction = fraction.rstrip("0") if digits is None else fraction[:digits]
    whole = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def parse_rfc3339(text: str) -> int:
    """The time of a text with an offset. Raises ValueError if it has another form."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a time; write RFC 3339 with an offset, as in 2026-11-23T10:00:00Z')
    day, time, fraction, offset = match.groups()
    moment = datetime.fromisoformat(f"{day}T{time}{offset.upper()}")
    return whole_s(moment) * NS + int((fraction or "0").ljust(9, "0"))
