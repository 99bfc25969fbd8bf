"""Cron expressions of AWS: six fields, minutes to years, of which either day field is `?`. Pure.

`L` is the last day of a month or, after a day of the week, the last such day; `15W` the weekday nearest to the 15th in
its month; `6#2` the second Friday. Days of the week are 1 (Sunday) to 7. Reference: Timestream developer guide,
"Schedule expressions for scheduled queries".
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TypeAlias

Days: TypeAlias = Callable[[int, int], set[int]]
"""The days of a month, by year and month."""

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_STEPPED = re.compile(r"(?P<first>\w+|\*)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?", re.ASCII)
_SATURDAY, _SUNDAY = 5, 6  # of date.weekday


@dataclass(frozen=True, slots=True)
class _Field:
    """A field: its name in messages, and the values that it may have. The first of `names` is `low`."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """The value that a text is. Raises ValueError."""
        if text.upper() in self.names:
            return self.names.index(text.upper()) + self.low
        if not text.isdigit() or not self.low <= int(text) <= self.high:
            names = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise ValueError(f"{self.name}: '{text}' is not one of {self.low} to {self.high}{names}")
        return int(text)

    def values(self, text: str) -> set[int]:
        """The values of one entry of a list: `5`, `1-5`, `*`, `0/15`. Raises ValueError."""
        match = _STEPPED.fullmatch(text)
        if match is None:
            raise ValueError(f"{self.name}: '{text}' is not understood")
        first = self.low if match["first"] == "*" else self.number(match["first"])
        is_open = match["first"] == "*" or (match["step"] is not None and match["last"] is None)
        last = self.number(match["last"]) if match["last"] else self.high if is_open else first
        step = int(match["step"] or 1)
        if last < first or step == 0 or (match["first"] == "*" and match["last"]):
            raise ValueError(f"{self.name}: '{text}' has no values")
        return set(range(first, last + 1, step))


_MINUTES, _HOURS = _Field("minutes", 0, 59), _Field("hours", 0, 23)
_MONTH_DAYS, _MONTH = _Field("day of month", 1, 31), _Field("month", 1, 12, _MONTHS)
_WEEK_DAYS, _YEAR = _Field("day of week", 1, 7, _WEEKDAYS), _Field("year", 1970, 2199)


@dataclass(frozen=True, slots=True)
class Cron:
    """The times that an expression names, by the clocks of `zone`.

    A time that clocks skip, when they are put forward, is as much later. One that they show twice counts the first
    time; both times if the expression names every hour.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: Days
    months: frozenset[int]
    years: frozenset[int]
    zone: tzinfo

    def next_after(self, after_s: int) -> int | None:
        """The first time after this one, in seconds since 1970; None if there is none."""
        first = datetime.fromtimestamp(after_s, self.zone).date() - timedelta(days=1)  # a skipped time may be a day on
        for day in self._dates(first):
            later = [second for second in self._seconds(day) if second > after_s]
            if later:
                return min(later)
        return None

    def _dates(self, first: date) -> Iterator[date]:
        for year in sorted(year for year in self.years if year >= first.year):
            for month in sorted(self.months):
                if (year, month) >= (first.year, first.month):
                    days = (date(year, month, day) for day in sorted(self.days(year, month)))
                    yield from (day for day in days if day >= first)

    def _seconds(self, day: date) -> Iterator[int]:
        folds = (0, 1) if len(self.hours) == _HOURS.high + 1 and self.zone is not UTC else (0,)
        for hour in self.hours:
            for minute in self.minutes:
                for fold in folds:
                    clock = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone, fold=fold)
                    if fold == 0 or clock.utcoffset() != clock.replace(fold=0).utcoffset():
                        yield int(clock.timestamp())


def parse_cron(text: str, zone: tzinfo) -> Cron:
    """The expression between the brackets. Raises ValueError with what is wrong."""
    fields = text.split()
    if len(fields) != 6:
        raise ValueError(f"it has {len(fields)} fields; minutes, hours, day of month, month, day of week, year are six")
    minutes, hours, month_days, months, week_days, years = fields
    if (month_days == "?") == (week_days == "?"):
        raise ValueError("either the day of month or the day of week is '?', and not both")
    rules = _rules(week_days, _of_week) if month_days == "?" else _rules(month_days, _of_month)
    return Cron(
        _union(_MINUTES, minutes), _union(_HOURS, hours), rules, _union(_MONTH, months), _union(_YEAR, years), zone
    )


def _union(field: _Field, text: str) -> frozenset[int]:
    return frozenset[int]().union(*(field.values(entry) for entry in text.split(",")))


def _rules(text: str, rule: Callable[[str], Days]) -> Days:
    rules = [rule(entry) for entry in text.split(",")]
    return lambda year, month: set[int]().union(*(of(year, month) for of in rules))


def _of_month(entry: str) -> Days:
    if entry == "L":
        return lambda year, month: {monthrange(year, month)[1]}
    if entry == "LW":
        return lambda year, month: _nearest_weekday(year, month, monthrange(year, month)[1])
    if entry.endswith("W"):
        day = _MONTH_DAYS.number(entry[:-1])
        return lambda year, month: _nearest_weekday(year, month, day)
    days = _MONTH_DAYS.values(entry)
    return lambda year, month: _existing(year, month, days)


def _of_week(entry: str) -> Days:
    if entry == "L":
        return _of_week("SAT")
    if entry.endswith("L"):
        weekday = _WEEK_DAYS.number(entry[:-1])
        return lambda year, month: {max(_days_on(year, month, {weekday}))}
    if "#" in entry:
        name, _, number = entry.partition("#")
        weekday = _WEEK_DAYS.number(name)
        if number not in {"1", "2", "3", "4", "5"}:
            raise ValueError(f"day of week: '{entry}': after # stands a number from 1 to 5")
        return lambda year, month: set(_days_on(year, month, {weekday})[int(number) - 1 : int(number)])
    weekdays = _WEEK_DAYS.values(entry)
    return lambda year, month: set(_days_on(year, month, weekdays))


def _existing(year: int, month: int, days: Iterable[int]) -> set[int]:
    return {day for day in days if day <= monthrange(year, month)[1]}


def _days_on(year: int, month: int, weekdays: set[int]) -> list[int]:
    """The days on these weekdays, ascending."""
    first, count = monthrange(year, month)  # Monday is 0
    return [day for day in range(1, count + 1) if (first + day) % 7 + 1 in weekdays]


def _nearest_weekday(year: int, month: int, day: int) -> set[int]:
    last = monthrange(year, month)[1]
    if day > last:
        return set()
    weekday = date(year, month, day).weekday()
    if weekday == _SATURDAY:
        return {day - 1 if day > 1 else day + 2}
    if weekday == _SUNDAY:
        return {day + 1 if day < last else day - 2}
    return {day}
