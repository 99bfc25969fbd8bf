"""Timestamps by the clocks of a zone: `time AT TIME ZONE 'Europe/Paris'`, as Trino's `timestamp with time zone`.

The zone is a part of the type, so it is a constant of the query, and the value is the instant. Comparisons and hours or
less that are added are about instants; the parts of a time, formats, days and months are about what the clocks show.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from store.sql.functions.function import Overload
from store.sql.functions.time import PARTS, ahead_of_utc, floor_to
from store.sql.literals import UNIT_NS
from store.sql.typed import Typed
from store.sql.types import TIMESTAMP, SqlType, ZonedType
from store.values.nearest import nearest
from store.values.sql_text import quote_string

_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)", re.ASCII)
_BY_CLOCKS = frozenset({*PARTS, "date", "last_day_of_month"})
_BY_INSTANT = frozenset({"to_unixtime", "to_milliseconds", "to_nanoseconds"})


def zone_type(name: str) -> ZonedType:
    """The type of times in the zone of a name or offset, `+02:00`. Raises ValueError if there is none."""
    if _offset_ns(name) is None and name not in _names():
        near = nearest(name, _names(), ratio=0.7)
        raise ValueError(f"'{name}' is not a valid time zone{f' (did you mean {near!r}?)' if near else ''}")
    return ZonedType(name)


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def _offset_ns(name: str) -> int | None:
    match = _OFFSET.fullmatch(name)
    if match is None or int(match[2]) > 14:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return (-minutes if match[1] == "-" else minutes) * UNIT_NS["minute"]


def clock_of(kind: ZonedType) -> tzinfo:
    """The zone as Python has it."""
    offset_ns = _offset_ns(kind.zone)
    return ZoneInfo(kind.zone) if offset_ns is None else timezone(timedelta(microseconds=offset_ns // 1000))


def local_text(sql: str, kind: ZonedType) -> str:
    """DuckDB's text for what the clocks show at an instant, as a timestamp."""
    offset_ns = _offset_ns(kind.zone)
    ahead = str(offset_ns) if offset_ns is not None else ahead_of_utc("{0}", quote_string(kind.zone))
    return Overload((TIMESTAMP,), TIMESTAMP, f"({{0}} + {ahead})", once=True).render([sql], 0)


def local(value: Typed) -> Typed:
    """What the clocks show, as a timestamp; a value without a zone as it is."""
    if not isinstance(value.type, ZonedType):
        return value
    return replace(value, sql=local_text(value.sql, value.type), type=TIMESTAMP, constant=None, column=None)


def instant(value: Typed) -> Typed:
    """The same time in UTC."""
    return replace(value, type=instant_type(value.type))


def instant_type(kind: SqlType) -> SqlType:
    """The type without its zone."""
    return TIMESTAMP if isinstance(kind, ZonedType) else kind


def shown_by(value: Typed, kind: ZonedType) -> Typed:
    """The instant at which the clocks show a timestamp: the first, if they do so twice."""
    offset_ns = _offset_ns(kind.zone)
    micros = f"{floor_to('{0}', '1000')} // 1000"
    moment = f"timezone({quote_string(kind.zone)}, make_timestamp({micros}))"
    shown = f"(epoch_us({moment}) * 1000 + {{0}} - {micros} * 1000)"
    template = shown if offset_ns is None else f"({{0}} - {offset_ns})"
    sql = Overload((TIMESTAMP,), TIMESTAMP, template, once=True).render([value.sql], 0)
    return replace(value, sql=sql, type=kind, constant=None, column=None)


def argument_of(function: str, value: Typed) -> Typed:
    """A time with a zone as a function takes it, which knows timestamps only."""
    convert: Callable[[Typed], Typed] | None = (
        local if function in _BY_CLOCKS else instant if function in _BY_INSTANT else None
    )
    return value if convert is None else convert(value)


def zone_of(*kinds: SqlType) -> ZonedType | None:
    """The first zone among types."""
    return next((kind for kind in kinds if isinstance(kind, ZonedType)), None)
