"""One message at a time: from a payload to readings of a route, or the reason why not.

This is the definition of what a payload becomes. The columns of `pipeline.normalise.columns` are a faster way to the
same result for the messages they can prove good; tests hold the two together. One message has one fate: a body that
cannot become a record takes the others of its array with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.dead_letter import Reason
from pipeline.errors import PayloadError
from pipeline.normalise.body import Fields, Scalar, bodies, shown
from pipeline.normalise.event_time import check_limits, time_ns_of
from pipeline.normalise.routes import Route
from pipeline.normalise.values import name_problem, type_said_by, typed
from store.record import MeasureType

MAX_MEASURES = 256  # Timestream: measures of a multi-measure record
MAX_COLUMNS = 1_024  # Timestream: unique measures of a table
DimensionValues = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One body: the values of the route's payload dimensions, its time, its measures in the table's types."""

    dimension_values: DimensionValues
    time_ns: int
    measures: dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class Message:
    """The readings of one message, and the types of the measures that the table has not seen yet."""

    readings: list[Reading]
    new_types: dict[str, MeasureType]


def read(payload: bytes, route: Route, arrival_ns: int, types: Mapping[str, MeasureType]) -> Message:
    """What the payload becomes in a table whose measures have these types. Raises PayloadError; changes nothing."""
    new_types: dict[str, MeasureType] = {}
    readings = []
    for index, fields in enumerate(bodies(payload)):
        time_ns = _time_ns(fields, route, arrival_ns, index)
        values = tuple(dimension_value(name, fields.get(name)) for name in route.dimensions)
        measures = _measures(fields, route, types, new_types)
        readings.append(Reading(values, time_ns, measures))
    return Message(readings, new_types)


def dimension_value(name: str, value: Scalar | None) -> str | None:
    """The dimension's value, of text or an integer; None (absent) of null and of no text. Raises PayloadError."""
    if type(value) is str:
        return value or None
    if type(value) is int:
        return str(value)
    if value is None:
        return None
    raise PayloadError(Reason.WRONG_TYPE, f"{name}: {shown(value)}, but a dimension is text or an integer")


def field_problem(name: str, route: Route) -> str | None:
    """Why the measure `name` cannot be in a table of this route, or None."""
    if route.is_dimension(name):
        return f"{name!r} is a dimension of {route.database}.{route.table}; a measure has another name"
    return name_problem(name)


def _time_ns(fields: Fields, route: Route, arrival_ns: int, index: int) -> int:
    if route.time is None:
        return arrival_ns + index
    value = fields.get(route.time.field)
    if value is None:
        raise PayloadError(Reason.TIME_MISSING, f"the field {route.time.field!r}, which is the time, is not there")
    time_ns = time_ns_of(value, route.time.unit)
    check_limits(time_ns, arrival_ns, route)
    return time_ns


def _measures(
    fields: Fields, route: Route, types: Mapping[str, MeasureType], new_types: dict[str, MeasureType]
) -> dict[str, Scalar]:
    time_field = None if route.time is None else route.time.field
    measures: dict[str, Scalar] = {}
    for name, value in fields.items():
        if name == time_field or name in route.dimensions:
            continue
        rule = route.measures.get(name)
        target = name if rule is None else rule.name
        measure_type = types.get(target) or new_types.get(target)
        if measure_type is None:
            _check_new(target, rule is not None, route, len(types) + len(new_types))
            configured = None if rule is None else rule.type
            measure_type = new_types[target] = configured or type_said_by(value)
        measures[target] = typed(target, value, measure_type, None if rule is None else rule.convert)
    if not measures:
        raise PayloadError(Reason.NO_MEASURES, "there is nothing in it but time, dimensions and nulls")
    if len(measures) > MAX_MEASURES:
        raise PayloadError(
            Reason.TOO_MANY_MEASURES, f"{len(measures)} measures in one record; at most {MAX_MEASURES} are stored"
        )
    return measures


def _check_new(target: str, is_listed: bool, route: Route, column_count: int) -> None:
    problem = field_problem(target, route)
    if problem is not None:
        raise PayloadError(Reason.BAD_NAME, problem)
    if not is_listed and column_count >= MAX_COLUMNS:
        raise PayloadError(
            Reason.TOO_MANY_MEASURES, f"{target!r} would be one more than the {MAX_COLUMNS} measures a table may have"
        )
