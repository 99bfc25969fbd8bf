"""The sections `routes`, `inhibitions` and `silences`: who hears of which alert, and when nobody does.

Words and meanings are Alertmanager's. Differences: a route may have several receivers; without `group_by` each alert is
told on its own, at once and not again; an alert that no route matches goes to every receiver.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema, model_validator

from pipeline.base.matchers import MatcherText
from pipeline.base.quantities import Duration, DurationOrZero
from pipeline.base.recurrence import DAYS, ClockTime, MinuteOfDay, Recurrence
from pipeline.config import names
from pipeline.config.problems import refuse
from pipeline.config.tables import Section
from store.values.time_zones import zone_called
from store.values.yaml_text import KeyPath, Problem

MOST_NESTED = 16


def _as_names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _is_day(day: str) -> str:
    if day not in DAYS:
        raise ValueError(f'"{day}" is not a day; write {" ".join(DAYS)}')
    return day


def _is_zone(name: str) -> str:
    zone_called(name)
    return name


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Route(Section):
    """Which alerts go to which receivers, and how they are grouped. What is absent is as in the route above it."""

    matchers: tuple[MatcherText, ...] = Field(default=(), description="all must match; none match every alert")
    receivers: Names | None = Field(
        default=None, alias="receiver", description="a name or a list of names; [] tells nobody"
    )
    group_by: tuple[str, ...] | None = Field(
        default=None, description="labels; alerts with the same values are told together; [...] each on its own"
    )
    group_wait: DurationOrZero | None = Field(default=None, description="before a new group is first told")
    group_interval: DurationOrZero | None = Field(default=None, description="before changes of a group are told")
    repeat_interval: Duration | None = Field(default=None, description="until what still fires is told again")
    goes_on: bool = Field(default=False, alias="continue", description="whether the routes after it are tried, too")
    routes: tuple[Route, ...] = Field(default=(), description="the first that matches takes the alert")


class Inhibition(Section):
    """While an alert fires that `source` matches, nobody is told of those that `target` matches."""

    source: tuple[MatcherText, ...] = Field(min_length=1)
    target: tuple[MatcherText, ...] = Field(min_length=1)
    equal: tuple[str, ...] = Field(default=(), description="labels that must be the same in both")


class Every(Section):
    """The hours of some days of every week."""

    days: tuple[Annotated[str, AfterValidator(_is_day)], ...] = Field(
        default=DAYS, min_length=1, description="on which the hours begin"
    )
    start: ClockTime = Field(default=MinuteOfDay(0), alias="from", description="HH:MM")
    end: ClockTime = Field(default=MinuteOfDay(24 * 60), alias="to", description="HH:MM; not after from: the next day")
    time_zone: Annotated[str, AfterValidator(_is_zone)] = Field(default="UTC", description="of the IANA database")

    @property
    def recurrence(self) -> Recurrence:
        """The same as a value."""
        return Recurrence(frozenset(map(DAYS.index, self.days)), self.start, self.end, self.time_zone)


class Silence(Section):
    """Nobody is told of the alerts that it matches, while it lasts; they are recorded."""

    matchers: tuple[MatcherText, ...] = Field(min_length=1)
    start: AwareDatetime | None = Field(default=None, alias="from", description="RFC 3339; none: always")
    end: AwareDatetime | None = Field(default=None, alias="to", description="RFC 3339; none: for ever")
    every: Every | None = Field(default=None, description="only in these hours: a maintenance window")
    account: Annotated[str, AfterValidator(names.check_account)] | None = Field(
        default=None, description="none: the alerts of all accounts"
    )
    by: str = Field(min_length=1, description="who silences")
    why: str = Field(min_length=1, description="the reason")

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        start, end = self.start or datetime.min.replace(tzinfo=UTC), self.end or datetime.max.replace(tzinfo=UTC)
        if end <= start:
            refuse([Problem(("to",), f"{self.end:%Y-%m-%dT%H:%M:%SZ} is not after from")])
        return self


def routing_problems(routes: Sequence[Route], receivers: Sequence[str], path: KeyPath = ("routes",)) -> list[Problem]:
    """Receivers that are not listed, groups of each alert and more, and routes that are nested too deep."""
    if len(path) > 2 * MOST_NESTED:
        return [Problem(path, f"routes are nested at most {MOST_NESTED} deep")]
    return [found for index, route in enumerate(routes) for found in _problems_of(route, receivers, (*path, index))]


def _problems_of(route: Route, receivers: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    listed = ", ".join(receivers) or "none is"
    for name in route.receivers or ():
        if name not in receivers:
            yield Problem((*path, "receiver"), f'"{name}" is not one of the receivers; listed: {listed}')
    if route.group_by is not None and "..." in route.group_by and len(route.group_by) > 1:
        yield Problem((*path, "group_by"), '"..." stands for each alert on its own, and alone')
    yield from routing_problems(route.routes, receivers, (*path, "routes"))
