"""ISO 8601 text as nanoseconds UTC since 1970.

The accepted forms are those that devices use: the profile of RFC 3339 (`T` or blanks, seconds optional), also in the
basic form (20261129T020000Z), with blanks before the offset, and with `UTC` or `GMT` as offset. A fraction of more than
nine digits is truncated. A leap second (:60) is the first moment of the next minute, 24:00:00 that of the next day.

Text without an offset is a local time in the caller's zone. When a clock is set back, an hour occurs twice: of the two
possible times, the one nearer to the message's arrival counts. A local time that the clock skipped is read as if the
clock had not been set forward yet.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from store.values.times import whole_s

_ISO = re.compile(
    r"""\s* (\d{4}) (?: -(\d\d)-(\d\d) | (\d\d)(\d\d) ) (?:[Tt]|\ +)
        (\d\d) (?: :(\d\d) (?: :(\d\d) (?:[.,](\d+))? )? | (\d\d) (?: (\d\d) (?:[.,](\d+))? )? )
        (?: \ * (?: ([Zz]|UTC|GMT) | ([+-])(\d\d)(?::?([0-5]\d))? ) )? \s*""",
    re.ASCII | re.VERBOSE,
)


def iso_ns(text: str, zone: tzinfo | None, near_ns: int) -> int | None:
    """The time, or None if the text is not a time.

    `zone` applies to text without an offset; without a zone such text is not a time.
    """
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month_1, day_1, month_2, day_2, hour = match.group(1, 2, 3, 4, 5, 6)
    minute_1, second_1, fraction_1, minute_2, second_2, fraction_2 = match.group(7, 8, 9, 10, 11, 12)
    seconds = int(second_1 or second_2 or 0)
    try:
        hours, minutes = int(hour), int(minute_1 or minute_2)
        if seconds > 60 or hours > 24 or (hours == 24 and (minutes or seconds)):
            return None
        day = datetime(int(year), int(month_1 or month_2), int(day_1 or day_2))  # noqa: DTZ001  # its zone is set below
        if minutes > 59:
            return None
        local = day + timedelta(hours=hours, minutes=minutes, seconds=seconds)
        whole_s = _whole_s(local, match, zone, near_ns)
    except (ValueError, OverflowError):
        return None  # no such day, or an offset of 24 h or more
    fraction = (fraction_1 or fraction_2 or "0")[:9]
    return None if whole_s is None else whole_s * 10**9 + int(fraction.ljust(9, "0"))


def _whole_s(local: datetime, match: re.Match[str], zone: tzinfo | None, near_ns: int) -> int | None:
    utc, sign, offset_hours, offset_minutes = match.group(13, 14, 15, 16)
    if sign is not None:
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes or 0))
        return whole_s(local.replace(tzinfo=timezone(-offset if sign == "-" else offset)))
    if utc is not None:
        return whole_s(local.replace(tzinfo=UTC))
    if zone is None:
        return None
    first, second = (whole_s(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    is_twice = first < second  # otherwise the clock skipped it
    return second if is_twice and abs(second - near_ns // 10**9) < abs(first - near_ns // 10**9) else first
