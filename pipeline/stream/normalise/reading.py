"""A single message: from a payload to readings of a route, or the reason why not.

This is the definition of how a payload is read. The columns of `pipeline.stream.normalise.columns` are a faster way
to the same result for messages that are proven to be good; tests compare the two. Of a message everything is used that
can be understood: a bad field does not affect other fields, and a bad element of an array no other element.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pipeline.base.errors import PayloadError
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.alterations import Alteration, Alterations
from pipeline.stream.normalise.body import VALUE, Body, Fields, Scalar, bodies, decoded
from pipeline.stream.normalise.event_time import check_limits, decimals, is_as_written, time_ns_of
from pipeline.stream.normalise.fields import field_rules
from pipeline.stream.normalise.measuring import Measuring
from pipeline.stream.normalise.routes import MAX_TIME_NS, Route, TimeField
from pipeline.stream.normalise.showing import shown
from store.record import MeasureType

DimensionValues = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One body: the values of the route's payload dimensions, its time, its measures in the table's types."""

    dimension_values: DimensionValues
    time_ns: int
    measures: dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class Message:
    """The readings of one message; none if the table's patterns ignore all of it.

    new_types    the types of the measures that are new to the table
    claimed      how many of them are not configured
    given_up     the types of measures that were text, and whose names numbers have now
    alterations  counted by field
    problem      why a part of the message could not become a record
    """

    readings: list[Reading]
    new_types: dict[str, MeasureType] = field(default_factory=dict)
    claimed: int = 0
    given_up: dict[str, MeasureType] = field(default_factory=dict)
    alterations: Alterations = field(default_factory=Alterations)
    problem: PayloadError | None = None


def read(
    payload: bytes,
    route: Route,
    arrival_ns: int,
    types: Mapping[str, MeasureType],
    room: int,
    open_texts: Container[str] = (),
    asked: Container[str] = (),
) -> Message:
    """The readings of the payload in a table whose measures have these types, and that takes `room` new ones.

    `open_texts`: measures of text that may give their name up to a number; `asked`: those whose type an operator asked
    for. Raises PayloadError if nothing can be kept; changes nothing.
    """
    its_bodies, dropped = bodies(decoded(payload), route)
    measuring = Measuring(route, types, room, open_texts, asked)
    measuring.alterations.update((name, Alteration.DROPPED) for name in dropped)
    times = _Times(payload, route, arrival_ns)
    readings: list[Reading] = []
    problem: PayloadError | None = None
    is_left = False
    for number, body in enumerate(its_bodies):
        try:
            reading = _reading(body, number, measuring, times)
        except PayloadError as error:
            if problem is None or problem.reason is Reason.NO_MEASURES:
                problem = error
        else:
            is_left |= reading is None
            readings += [] if reading is None else [reading]
    if problem is not None and problem.reason is Reason.NO_MEASURES and (readings or is_left):
        problem = None  # an empty element is not a loss
    if problem is not None and not readings:
        raise problem
    return Message(
        readings, measuring.new_types, room - measuring.room, measuring.given_up, measuring.alterations, problem
    )


def dimension_value(value: Any) -> str | None:
    """The value of the dimension as text; None (absent) for null and empty text."""
    if type(value) is str:
        return value or None
    if type(value) is int:
        return str(value)
    if value is None or value != value:  # null, or not a number  # noqa: PLR0124
        return None
    return ("true" if value else "false") if type(value) is bool else str(value)


def _reading(body: Body, number: int, measuring: Measuring, times: _Times) -> Reading | None:
    """The body as a reading; None if the table's patterns ignore all fields that could be measures."""
    route, fields = measuring.route, body.fields
    rules = field_rules(list(fields), route)
    there = [found for found, value in zip(rules, fields.values(), strict=True) if found and value is not None]
    is_ignored = bool(there) and all(found.rule is None for found in there)
    if not there:
        raise PayloadError(Reason.NO_MEASURES, "there is nothing in it but time, dimensions and nulls")
    time_ns = 0 if is_ignored else times.of(body, number)
    measures = measuring.measures(fields, rules)
    if is_ignored:
        return None
    if not measures:
        raise PayloadError(
            Reason.NO_MEASURES, f"there is no value in it, as the columns of its table are: {_shown(fields)}"
        )
    return Reading(tuple(dimension_value(fields.get(name)) for name in route.dimensions), time_ns, measures)


class _Times:
    """The times of one message's bodies."""

    def __init__(self, payload: bytes, route: Route, arrival_ns: int) -> None:
        self._payload = payload
        self._route = route
        self._arrival_ns = arrival_ns
        self._as_written: list[Body] | None = None

    def of(self, body: Body, number: int) -> int:
        """The time of the body with this number. Raises PayloadError."""
        time = self._route.time
        if time is None:
            return self._arrival_ns + body.index
        value: Scalar | Decimal | None = body.fields.get(time.field)
        if value is None:
            raise self._without_time(body, f"field {time.field!r}, which is the time")
        if type(value) is float and not is_as_written(value, self._payload):
            value = self._own_digits(number, time) or value
        time_ns = min(time_ns_of(value, time, self._arrival_ns) + body.index, MAX_TIME_NS)
        check_limits(time_ns, self._arrival_ns, self._route)
        return time_ns

    def _without_time(self, body: Body, field: str) -> PayloadError:
        first = self._payload.lstrip()[:1]
        if list(body.fields) != [VALUE] or first in (b"{", b"["):
            return PayloadError(Reason.TIME_MISSING, f"the {field}, is not there")
        alone = body.fields[VALUE]
        if isinstance(alone, str) and first not in (b'"', b"'"):
            return PayloadError(Reason.INVALID_JSON, f"not JSON, and a text alone has no {field}: {shown(alone)}")
        return PayloadError(Reason.TIME_MISSING, f"a value alone has no {field}: {shown(alone)}")

    def _own_digits(self, number: int, time: TimeField) -> Any:
        if self._as_written is None:
            try:
                self._as_written, _ = bodies(decimals(self._payload), self._route)
            except (ValueError, RecursionError):  # not valid JSON: the value that is known is used
                self._as_written = []
        return self._as_written[number].fields.get(time.field) if number < len(self._as_written) else None


def _shown(fields: Fields) -> str:
    return shown({name: value for name, value in fields.items() if value is not None})
