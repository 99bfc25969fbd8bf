"""Hours that recur every week, on ordinary days and on those on which clocks are changed."""

from __future__ import annotations

import pytest

from pipeline.base.recurrence import DAYS, MinuteOfDay, Recurrence, parse_minute
from store.values.times import parse_rfc3339, rfc3339

HOUR = 60


def hours(start: str, end: str, days: str, zone: str = "UTC") -> Recurrence:
    return Recurrence(frozenset(map(DAYS.index, days.split())), parse_minute(start), parse_minute(end), zone)


def end(of: Recurrence, at: str) -> str | None:
    end_ns = of.end_ns(parse_rfc3339(at))
    return None if end_ns is None else rfc3339(end_ns)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-30T07:59:59Z", None),  # a Monday
        ("2026-11-30T08:00:00Z", "2026-11-30T12:00:00Z"),
        ("2026-11-30T11:59:59Z", "2026-11-30T12:00:00Z"),
        ("2026-11-30T12:00:00Z", None),
        ("2026-12-01T09:00:00Z", None),
    ],
)
def test_hours_begin_at_their_start_and_end_before_their_end(at: str, until: str | None) -> None:
    assert end(hours("08:00", "12:00", "mon"), at) == until


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-29T21:59:59Z", None),  # a Sunday
        ("2026-11-29T22:00:00Z", "2026-11-30T06:00:00Z"),
        ("2026-11-30T05:59:59Z", "2026-11-30T06:00:00Z"),
        ("2026-11-30T22:00:00Z", None),
    ],
)
def test_hours_over_midnight_are_of_the_day_on_which_they_begin(at: str, until: str | None) -> None:
    assert end(hours("22:00", "06:00", "sun"), at) == until


@pytest.mark.parametrize(
    ("zone", "at", "until"),
    [
        ("Europe/Berlin", "2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z"),  # one hour less: 22:00 to 06:00 take 7
        ("Europe/Berlin", "2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z"),  # one hour more
        ("America/New_York", "2026-03-08T03:00:00Z", "2026-03-08T10:00:00Z"),
        ("America/New_York", "2026-11-01T02:00:00Z", "2026-11-01T11:00:00Z"),
    ],
)
def test_hours_are_those_of_the_wall_on_days_when_clocks_are_changed(zone: str, at: str, until: str) -> None:
    night = hours("22:00", "06:00", "sat", zone)

    assert end(night, at) == until
    assert night.end_ns(parse_rfc3339(at) - 1) is None
    assert night.end_ns(parse_rfc3339(until)) is None


def test_a_whole_day_ends_at_midnight_and_yaml_may_read_a_time_as_minutes() -> None:
    assert end(hours("00:00", "24:00", "tue"), "2026-12-01T23:59:59Z") == "2026-12-02T00:00:00Z"
    assert parse_minute(22 * HOUR + 30) == MinuteOfDay(22 * HOUR + 30) == parse_minute("22:30")
