"""Time zones by name: those of the IANA database, and fixed offsets (`+01:00`)."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from store.values.nearest import nearest

UTC = "UTC"
_OFFSET = re.compile(r"([+-])(\d\d):?([0-5]\d)", re.ASCII)


def zone_called(name: str) -> tzinfo:
    """The time zone with this name. Raises ValueError with the nearest known name."""
    offset = _OFFSET.fullmatch(name)
    if offset is not None and int(offset[2]) < 24:
        east = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-east if offset[1] == "-" else east)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = nearest(name, available_timezones())
        hint = f"; did you mean {near}?" if near else "."
        raise ValueError(
            f'"{name}" is not a time zone known here{hint} Allowed: a name of the IANA database, as Europe/Berlin, or '
            "an offset, as +01:00"
        ) from error
