"""When a scheduled query runs: `rate(…)`, or `cron(…)`, which may be followed by a time zone. Pure.

Rates count from the creation of the query. Without a zone cron is by UTC, as in the service, which has no zones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC

from store.endpoint.scheduled.cron import parse_cron
from store.sql.zones import clock_of, zone_type

SECOND_NS = 1_000_000_000
CATCH_UP_NS = 86_400 * SECOND_NS  # runs that were missed longer ago are left out

_UNIT_S = {"minute": 60, "hour": 3_600, "day": 86_400}
_RATE = re.compile(r"rate\(\s*(\d{1,9})\s+(minute|hour|day)(s?)\s*\)", re.ASCII)
_CRON = re.compile(r"cron\(([^)]*)\)(?:\s+(\S+))?")

Schedule = Callable[[int], int | None]
"""The first run after a time, both in nanoseconds; None if there is none."""


def parse_schedule(text: str, created_ns: int) -> Schedule:
    """The schedule of an expression. Raises ValueError with what is wrong."""
    if (rate := _RATE.fullmatch(text)) is not None:
        return _every(int(rate[1]), rate[2], is_plural=bool(rate[3]), since_s=created_ns // SECOND_NS)
    if (cron := _CRON.fullmatch(text)) is None:
        raise ValueError(
            f"'{text}' is neither rate(<number> minutes|hours|days) nor cron(<minutes> <hours> <day of month> <month> "
            "<day of week> <year>), after which a time zone may stand"
        )
    try:
        times = parse_cron(cron[1], UTC if cron[2] is None else clock_of(zone_type(cron[2])))
    except ValueError as error:
        raise ValueError(f"'{text}': {error}") from error

    def following(after_ns: int) -> int | None:
        found = times.next_after(after_ns // SECOND_NS)
        return None if found is None else found * SECOND_NS

    return following


def _every(number: int, unit: str, *, is_plural: bool, since_s: int) -> Schedule:
    if number == 0:
        raise ValueError("a rate is of at least 1 minute")
    if is_plural == (number == 1):
        raise ValueError(
            f"'rate({number} {unit}{'s' * is_plural})' is written rate({number} {unit}{'s' * (number > 1)})"
        )
    period_s = number * _UNIT_S[unit]

    def following(after_ns: int) -> int:
        passed = max((after_ns // SECOND_NS - since_s) // period_s, 0)
        return (since_s + (passed + 1) * period_s) * SECOND_NS

    return following


def due_run(schedule: Schedule, next_ns: int, now_ns: int) -> int:
    """Of the runs that are due, `next_ns` being the first, the one to be made now: the first of the last day.

    If the schedule has none there, it is one of the latest.
    """
    since_ns = CATCH_UP_NS
    while (found := schedule(now_ns - since_ns - 1)) is None or found > now_ns:
        since_ns *= 2
    return max(next_ns, found)
