"""Calls of functions of time whose unit or format is a constant: `date_trunc('hour', time)`, `date_format`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlglot import exp

from store.sql.errors import SqlError
from store.sql.expressions import Expressions, Rules
from store.sql.functions import Overload
from store.sql.functions.formats import WEEK, duckdb_format, has_zone, joda_format, joda_format_of_utc
from store.sql.functions.time import (
    ZONED,
    add_template,
    difference_template,
    floor_rest,
    parsed,
    truncate_fold,
    truncate_template,
)
from store.sql.literals import NS_PER_DAY, UNIT_NS, parse_duration
from store.sql.text import nearest
from store.sql.typed import Typed
from store.sql.types import BIGINT, DATE, INTEGER, TIME, TIMESTAMP, UNKNOWN, VARCHAR, ScalarType, ZonedType, common_type
from store.sql.zones import instant, local, shown_by, zone_of
from store.values.sql_text import quote_string

Format = TypeVar("Format")


def _date_trunc(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    unit, (value,) = _unit_call(binder, node, rules, 2)
    kind = _kind_of_time(binder, node, unit, [value])
    template = truncate_template(unit)
    if template is None:
        raise _not_a_field(binder, node, unit, kind)
    overload = Overload((TIMESTAMP,), TIMESTAMP, template, truncate_fold(unit))
    if isinstance(value.type, ZonedType):
        shown = local(value)
        start = binder.rendered(node, overload, TIMESTAMP, [shown])
        if unit in _OF_CLOCKS:
            return shown_by(start, value.type)
        return replace(value, sql=f"({value.sql} - ({shown.sql} - {start.sql}))", constant=None, column=None)
    return _of_kind(binder.rendered(node, overload, TIMESTAMP, [_moment(binder, node, value, kind)]), kind)


def _date_add(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    unit, (amount, value) = _unit_call(binder, node, rules, 3)
    kind = _kind_of_time(binder, node, unit, [value])
    template = add_template(unit)
    if template is None:
        raise _not_a_field(binder, node, unit, kind)
    if amount.type not in {INTEGER, BIGINT, UNKNOWN}:
        raise binder.query.mismatch(node, f"date_add adds a whole number, and this is {amount.type.text}")
    span = UNIT_NS.get(unit)
    fold = None if span is None else lambda _, time, count: time + count * span
    overload = Overload((TIMESTAMP, BIGINT), TIMESTAMP, template, fold)
    is_by_clocks = unit in _OF_CLOCKS
    moment = _moment(binder, node, (local if is_by_clocks else instant)(value), kind)
    made = binder.rendered(node, overload, TIMESTAMP, [moment, binder.coerced(node, amount, BIGINT)])
    if isinstance(value.type, ZonedType):
        return shown_by(made, value.type) if is_by_clocks else replace(made, type=value.type)
    return _of_kind(made, kind)


def _date_diff(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    unit, values = _unit_call(binder, node, rules, 3)
    zone = zone_of(*(value.type for value in values))
    if zone is not None and unit in _OF_CLOCKS:
        values = [local(replace(value, type=zone) if value.type is TIMESTAMP else value) for value in values]
    values = list(map(instant, values))
    kind = _kind_of_time(binder, node, unit, values)
    template = difference_template(unit)
    if template is None:
        raise _not_a_field(binder, node, unit, kind)
    arguments = [_moment(binder, node, value, kind) for value in values]
    return binder.rendered(node, Overload((TIMESTAMP, TIMESTAMP), BIGINT, template), BIGINT, arguments)


_OF_CLOCKS = {"day", "week", "month", "quarter", "year"}  # with a zone; shorter units are the same everywhere
_UNITS_OF = {
    DATE: _OF_CLOCKS,
    TIME: {"nanosecond", "microsecond", "millisecond", "second", "minute", "hour"},
}


def _kind_of_time(binder: Expressions, node: exp.Anonymous, unit: str, values: Sequence[Typed]) -> ScalarType:
    """Whether these are dates, times of day, or timestamps, which have this unit."""
    kinds = {value.type for value in values}
    kind = next((kind for kind in _UNITS_OF if kinds == {kind}), TIMESTAMP)
    if unit not in _UNITS_OF.get(kind, {unit}):
        raise _not_a_field(binder, node, unit, kind)
    return kind


def _not_a_field(binder: Expressions, node: exp.Anonymous, unit: str, kind: ScalarType) -> SqlError:
    known = _UNITS_OF.get(kind) or {unit for units in _UNITS_OF.values() for unit in units}
    return binder.query.mismatch(
        node, f"'{unit}' is not a valid {kind} field{nearest(unit, known)}; there are {', '.join(sorted(known))}"
    )


def _moment(binder: Expressions, node: exp.Anonymous, value: Typed, kind: ScalarType) -> Typed:
    """The timestamp of a date or time of day, which is that of 1970-01-01."""
    return replace(value, type=TIMESTAMP) if kind is TIME else _as_timestamp(binder, node, value)


def _of_kind(value: Typed, kind: ScalarType) -> Typed:
    """A timestamp as the date or time of day that it is."""
    if kind is TIMESTAMP:
        return value
    sql = f"({value.sql} // {NS_PER_DAY})" if kind is DATE else floor_rest(value.sql, NS_PER_DAY)
    return replace(value, sql=sql, type=kind, constant=None)


def _format_datetime(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, form = _formatted(binder, node, rules, joda_format_of_utc)
    if isinstance(value.type, ZonedType) and has_zone(str(node.expressions[1].name)):
        raise binder.query.unsupported(node.expressions[1], "The zone of a timestamp with time zone in a format")
    template = f"strftime(make_timestamp_ns({{0}}), {quote_string(form)})"
    if WEEK in form:
        template = f"replace({template}, '{WEEK}', CAST(week(make_timestamp_ns({{0}})) AS VARCHAR))"
    overload = Overload((TIMESTAMP,), VARCHAR, template)
    return binder.rendered(node, overload, VARCHAR, [_as_timestamp(binder, node, value)])


def _parse_datetime(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, (form, has_zone) = _formatted(binder, node, rules, joda_format)
    if value.type is not VARCHAR:
        raise binder.query.mismatch(node, f"parse_datetime reads a varchar, and this is {value.type.text}")
    template = ZONED.replace("{form}", quote_string(form)) if has_zone else parsed("{0}", quote_string(form))
    return binder.rendered(node, Overload((VARCHAR,), TIMESTAMP, template, once=has_zone), TIMESTAMP, [value])


def _date_format(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, form = _formatted(binder, node, rules, duckdb_format)
    overload = Overload((TIMESTAMP,), VARCHAR, f"strftime(make_timestamp_ns({{0}}), {quote_string(form)})")
    return binder.rendered(node, overload, VARCHAR, [_as_timestamp(binder, node, value)])


def _date_parse(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, form = _formatted(binder, node, rules, duckdb_format)
    if value.type is not VARCHAR:
        raise binder.query.mismatch(node, f"date_parse reads a varchar, and this is {value.type.text}")
    overload = Overload((VARCHAR,), TIMESTAMP, parsed("{0}", quote_string(form)))
    return binder.rendered(node, overload, TIMESTAMP, [value])


def _formatted(
    binder: Expressions, node: exp.Anonymous, rules: Rules, convert: Callable[[str], Format]
) -> tuple[Typed, Format]:
    """The first argument, and the second, a constant format, converted to DuckDB's."""
    values = [binder.bind(part, rules) for part in node.expressions]
    if len(values) != 2 or values[1].type is not VARCHAR or values[1].constant is None:
        raise binder.query.mismatch(node, f"{node.name} takes a value and a constant format, such as '%Y-%m-%d'")
    try:
        return values[0], convert(str(values[1].constant))
    except ValueError as error:
        raise binder.query.mismatch(node, str(error)) from None


def _parse_duration(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    values = [binder.bind(part, rules) for part in node.expressions]
    if len(values) != 1 or values[0].type is not VARCHAR or values[0].constant is None:
        raise binder.query.mismatch(node, "parse_duration takes one constant text, as parse_duration('1day')")
    text = str(values[0].constant)
    length = parse_duration(text)
    if length is None:
        raise binder.query.mismatch(node, f"'{text[:100]}' is not a duration such as '1day' or '1.5h'")
    return binder.constant(node, *length)


def _unit_call(binder: Expressions, node: exp.Anonymous, rules: Rules, count: int) -> tuple[str, list[Typed]]:
    parts = node.expressions
    unit = parts[0] if parts else None
    if len(parts) != count or not isinstance(unit, exp.Literal) or not unit.is_string:
        raise binder.query.mismatch(
            node, f"{node.name} takes {count} arguments, the first a unit as a constant, such as 'hour'"
        )
    return unit.name.lower(), [binder.bind(part, rules) for part in parts[1:]]


def _as_timestamp(binder: Expressions, node: exp.Expr, value: Typed) -> Typed:
    value = local(value)
    if common_type([(TIMESTAMP, False), (value.type, value.constant is not None)]) is not TIMESTAMP:
        raise binder.query.mismatch(node, f"a timestamp is needed, and this is {value.type.text}")
    return binder.coerced(node, value, TIMESTAMP)


TIME_CALLS: Mapping[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = {
    "date_trunc": _date_trunc,
    "date_add": _date_add,
    "date_diff": _date_diff,
    "date_format": _date_format,
    "format_datetime": _format_datetime,
    "parse_datetime": _parse_datetime,
    "date_parse": _date_parse,
    "parse_duration": _parse_duration,
}
