"""One message of a rare shape by its fields, if that is proven to equal `pipeline.stream.normalise.reading`.

A device may send objects of ever other shapes, or with ever new names. A plan for each shape would cost more than the
message. Here a field costs one look-up: it has a column that takes its value, or there is no room for one, and it goes
into `_more`. Whatever else there may be to it is left to `read`: nothing here adds a measure or decides a type.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any, NamedTuple

import orjson

from pipeline.base.errors import PayloadError
from pipeline.stream.normalise.alterations import Alteration
from pipeline.stream.normalise.body import Fields, Flattener, Scalar, has_repeats
from pipeline.stream.normalise.event_time import check_limits, is_as_written, time_ns_of
from pipeline.stream.normalise.fields import MORE
from pipeline.stream.normalise.measuring import MAX_MEASURES
from pipeline.stream.normalise.reading import Reading, dimension_value
from pipeline.stream.normalise.routes import MAX_TIME_NS, MeasureRule, Route
from pipeline.stream.normalise.source import Source, TableState
from pipeline.stream.normalise.values import ABSENT, OTHER_COLUMN, fitted, is_text, says_nothing
from store.record import MeasureType

Altered = list[tuple[str, Alteration]]


class Quick(NamedTuple):
    """The reading of a message, and its altered fields."""

    reading: Reading
    altered: Altered


def read_quickly(payload: bytes, arrival_ns: int, source: Source) -> Quick | None:
    """What the payload says; None: `read` has to find out. Changes nothing."""
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    table = source.table
    route = table.route
    fields = _fields(body, payload, route) if type(body) is dict else None
    if fields is None:
        return None
    found = _measures(fields, table, source)
    if found is None:
        return None
    measures, altered = found
    time_ns = _time_ns(fields, payload, arrival_ns, route)
    if time_ns is None:
        return None
    values = tuple([dimension_value(fields.get(name)) for name in route.dimensions])
    return Quick(Reading(values, time_ns, measures), altered)


def has_object(values: Iterable[Any]) -> bool:
    """Whether one of these values is an object or an array."""
    return any(type(value) in (dict, list) for value in values)


def _fields(body: dict[str, Any], payload: bytes, route: Route) -> Fields | None:
    if not has_object(body.values()):
        return None if has_repeats(payload, len(body)) else body
    flattener = Flattener(route.arrays, route.each)
    try:
        flattener.take(body)
    except PayloadError:
        return None
    if flattener.lists or flattener.dropped or has_repeats(payload, flattener.keys):
        return None
    return flattener.fields


def _measures(fields: Fields, table: TableState, source: Source) -> tuple[dict[str, Scalar], Altered] | None:
    types, open_texts, rule_of = table.types, table.texts.open, table.rule_of
    measures: dict[str, Scalar] = {}
    more: dict[str, Scalar] = {}
    altered: Altered = []
    has_room = None
    for name, value in fields.items():
        found = rule_of(name)
        if found is None or value is None:
            continue
        if found.rule is None:
            altered.append((name, Alteration.IGNORED))
            continue
        rule = found.rule
        measure = rule.name
        column = types.get(measure)
        if found.is_renamed or measure in measures or measure in open_texts:
            return None
        if column is None:
            if found.is_listed:
                return None
            if says_nothing(value) and not is_text(value):
                altered.append((name, Alteration.NO_VALUE))
                continue
            has_room = table.room_for(source) > 0 if has_room is None else has_room
            if has_room:
                return None
            more[name] = value
        else:
            its_value = _in_column(value, column, rule, is_asked=measure in table.asked)
            if its_value is None:
                return None
            measures[measure] = its_value
    if more and types.get(MORE) is MeasureType.VARCHAR and not table.route.is_dimension(MORE):
        measures[MORE] = orjson.dumps(more).decode()
        altered += [(name, Alteration.MORE) for name in more]
    elif more:
        return None
    return (measures, altered) if 0 < len(measures) < MAX_MEASURES else None


def _in_column(value: Scalar, column: MeasureType, rule: MeasureRule, *, is_asked: bool) -> Scalar | None:
    """The value as it is stored in this column; None if it is not."""
    if type(value) is float and column is MeasureType.DOUBLE and rule.convert is None and isfinite(value):
        return value
    its_value = fitted(value, column, rule.convert, is_configured=is_asked or rule.type is column)
    return None if its_value is ABSENT or its_value is OTHER_COLUMN else its_value


def _time_ns(fields: Fields, payload: bytes, arrival_ns: int, route: Route) -> int | None:
    time = route.time
    if time is None:
        return arrival_ns
    value = fields.get(time.field)
    if value is None or not is_as_written(value, payload):
        return None
    try:
        time_ns = min(time_ns_of(value, time, arrival_ns), MAX_TIME_NS)
        check_limits(time_ns, arrival_ns, route)
    except PayloadError:
        return None
    return time_ns
