"""A *route*: which MQTT topics become records of which table, and how.

Frozen values, made from the configured tables.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING

from pipeline.base.errors import ConfigError
from pipeline.stream.normalise.patterns import EVERY_FIELD, Patterns
from pipeline.stream.normalise.templates import TopicTemplate
from store.catalog.units import Conversion, conversion
from store.record import MeasureType
from store.values.durations import duration_ns
from store.values.time_zones import zone_called

if TYPE_CHECKING:  # the configuration validates with this package's units, so it cannot be imported before it
    from pipeline.config.tables import Table
    from pipeline.config.tables import TimeField as Time

MAX_TIME_NS = 2**63 - 1  # 2262-04-11 23:47:16.854775807, Timestream's latest time
DEFAULT_FUTURE_NS = 15 * 60 * 10**9  # Timestream: at most 15 minutes ahead of the server's clock


class TimeUnit(enum.StrEnum):
    """The form of a time in a payload field: a number since 1970, or ISO 8601 text with an offset."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"
    ISO8601 = "iso8601"


class Arrays(enum.StrEnum):
    """What an array in a payload becomes: JSON text, a field per element, a row per element, nothing."""

    JSON = "json"
    INDEX = "index"
    ROWS = "rows"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class TimeField:
    """The payload field with the event time. `zone`: of text without an offset; None: such text is refused."""

    field: str
    unit: TimeUnit
    zone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class MeasureRule:
    """The measure that a listed payload field becomes: `name`; `type` None: by the value, as for an unlisted field."""

    name: str
    type: MeasureType | None = None
    convert: Conversion | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Maps MQTT topics to one table.

    zone        template of the zone's name; None: the MQTT topic without its last level
    time        None: the time of arrival
    dimensions  payload fields that are dimensions too
    future_ns   how far ahead of its arrival a reading may be
    late_ns     how far behind; None: any
    measures    by payload field (flattened); unlisted fields become measures with their own name
    arrays      how arrays are treated
    each        the field (flattened) whose elements are rows
    takes       whether a payload field (flattened) becomes a measure
    """

    database: str
    table: str
    topics: TopicTemplate
    zone: str | None = None
    time: TimeField | None = None
    measure_name: str = "readings"
    dimensions: tuple[str, ...] = ()
    future_ns: int = DEFAULT_FUTURE_NS
    late_ns: int | None = None
    measures: Mapping[str, MeasureRule] = field(default_factory=dict)
    arrays: Arrays = Arrays.JSON
    each: str | None = None
    takes: Patterns = EVERY_FIELD

    def is_dimension(self, name: str) -> bool:
        """Whether this route gives, or may give, the table a dimension with this name."""
        return name in self.dimensions or self.topics.is_dimension(name)


def topic_filter_of(routes: Iterable[Route], table: str, dimensions: Mapping[str, str]) -> str | None:
    """An MQTT topic filter for what becomes rows of `table` (`database.table`) with these dimensions; None: unknown."""
    filters = (of.topics.filter_for(dimensions) for of in routes if f"{of.database}.{of.table}" == table)
    return next((found for found in filters if found is not None), None)


def routes_from(tables: Iterable[Table]) -> tuple[Route, ...]:
    """The routes of these tables, in their order. Raises ConfigError for measures that contradict each other."""
    return tuple(_route(table) for table in tables)


def _route(table: Table) -> Route:
    database, name = table.database_and_table
    return Route(
        database=database,
        table=name,
        topics=TopicTemplate(table.topics),
        zone=table.zone_template,
        time=None if table.time is None else _time(table.time),
        measure_name=table.measure_name,
        dimensions=tuple(table.dimensions),
        future_ns=_ns(table.limits.future),
        late_ns=_ns(table.retention.memory + table.retention.magnetic),
        measures=_rules(table),
        arrays=Arrays(table.arrays),
        each=table.each,
        takes=Patterns(table.ignore, table.only),
    )


def _time(time: Time) -> TimeField:
    return TimeField(time.field, TimeUnit(time.unit), None if time.zone is None else zone_called(time.zone))


def _ns(duration: timedelta) -> int:
    return min(duration_ns(duration), MAX_TIME_NS)


def _rules(table: Table) -> dict[str, MeasureRule]:
    stored_units, types = table.units, _types(table)
    rules: dict[str, MeasureRule] = {}
    for payload_field, measure in table.measures.items():
        target = measure.name or payload_field
        unit, measure_type = stored_units.get(target), types.get(target)
        convert = conversion(measure.unit, unit) if measure.unit is not None and unit is not None else None
        if convert is not None and measure_type is not MeasureType.DOUBLE:
            raise ConfigError(
                f"tables: {table.name}: measures: {payload_field}: converting {measure.unit} to {unit} needs the type "
                f"double; {target!r} is {measure_type}"
            )
        rules[payload_field] = MeasureRule(target, measure_type, convert)
    for rule in tuple(rules.values()):
        rules.setdefault(rule.name, MeasureRule(rule.name, rule.type))  # a field with the measure's own name
    return rules


def _types(table: Table) -> dict[str, MeasureType]:
    """The type of each listed measure: that of one of its fields; else double if it has a unit; else none."""
    types: dict[str, MeasureType] = {}
    for payload_field, measure in table.measures.items():
        target = measure.name or payload_field
        if measure.type is not None and types.setdefault(target, MeasureType(measure.type)) != measure.type:
            raise ConfigError(
                f"tables: {table.name}: measures: {payload_field}: type {measure.type} for the measure {target!r}, "
                f"which another field makes {types[target]}; a measure has one type"
            )
    for target in table.units:
        types.setdefault(target, MeasureType.DOUBLE)
    return types
