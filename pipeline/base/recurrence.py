"""Hours that recur every week, in a time zone: Monday to Friday from 22:00 to 06:00 in Europe/Berlin. Pure.

The times are those of a clock on the wall. Where a time does not exist or exists twice, because the clock is put
forward or back, Python's `fold=0` decides: the first of two, and for a missing one the hour as it was before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from store.values.time_zones import zone_called
from store.values.times import NS, whole_s

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"(\d\d):(\d\d)")
_MINUTES = 24 * 60


class MinuteOfDay(NamedTuple):
    """Minutes since midnight, 0 to 1440."""

    minute: int

    def __str__(self) -> str:
        return f"{self.minute // 60:02d}:{self.minute % 60:02d}"


def parse_minute(value: object) -> MinuteOfDay:
    """The time in `HH:MM`, up to 24:00. Raises ValueError."""
    if isinstance(value, MinuteOfDay):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MINUTES:
        return MinuteOfDay(value)  # YAML 1.1 reads 22:30 without quotes as a number of minutes
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    minute = int(found[1]) * 60 + int(found[2]) if found is not None and int(found[2]) < 60 else _MINUTES + 1
    if minute > _MINUTES:
        raise ValueError(f'{value!r} is not a time of day; write HH:MM, from "00:00" to "24:00"')
    return MinuteOfDay(minute)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """`days`: 0 is Monday. If `end` is not after `start`, it is on the next day."""

    days: frozenset[int]
    start: MinuteOfDay
    end: MinuteOfDay
    time_zone: str

    def end_ns(self, at_ns: int) -> int | None:
        """When the hours end that `at_ns` is in; None if it is in none."""
        zone = zone_called(self.time_zone)
        midnight = datetime.fromtimestamp(at_ns // NS, UTC).astimezone(zone).replace(hour=0, minute=0, second=0)
        for day in (midnight - timedelta(days=1), midnight):
            if day.weekday() in self.days:
                start_ns, end_ns = self._span_ns(day)
                if start_ns <= at_ns < end_ns:
                    return end_ns
        return None

    def _span_ns(self, day: datetime) -> tuple[int, int]:
        later = 0 if self.end > self.start else _MINUTES
        # arithmetic within one zone is that of the wall's clock
        moments = (day + timedelta(minutes=self.start.minute), day + timedelta(minutes=self.end.minute + later))
        start_ns, end_ns = (whole_s(moment.replace(fold=0).astimezone(UTC)) * NS for moment in moments)
        return start_ns, end_ns


ClockTime: TypeAlias = Annotated[
    InstanceOf[MinuteOfDay],
    BeforeValidator(parse_minute),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d$", "examples": ["22:00"]}),
]
