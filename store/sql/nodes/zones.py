"""`time AT TIME ZONE 'Europe/Paris'`, and arithmetic on such times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlglot import exp

from store.sql.expressions import Expressions, Rules
from store.sql.functions import OPERATORS
from store.sql.literals import UNIT_NS
from store.sql.typed import Typed
from store.sql.types import INTERVAL, MONTHS, TIMESTAMP, UNKNOWN, VARCHAR, ZonedType
from store.sql.zones import instant, local, shown_by, zone_of, zone_type


def at_time_zone(binder: Expressions, node: exp.AtTimeZone, rules: Rules) -> Typed:
    """The instant by the clocks of a zone; a timestamp is UTC."""
    value, kind = _bound(binder, node, [node.this, node.args["zone"]], rules)
    return replace(instant(value), type=kind)


def _at_timezone(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, kind = _bound(binder, node, node.expressions, rules)
    return replace(instant(value), type=kind)


def _with_timezone(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """The instant at which the clocks of a zone show a timestamp."""
    value, kind = _bound(binder, node, node.expressions, rules)
    if isinstance(value.type, ZonedType):
        raise binder.query.mismatch(node, f"with_timezone takes a timestamp, and this is {value.type.text}")
    return shown_by(value, kind)


def _bound(binder: Expressions, node: exp.Expr, parts: list[exp.Expr], rules: Rules) -> tuple[Typed, ZonedType]:
    """The time and the zone."""
    if len(parts) != 2:
        raise binder.query.mismatch(node, f"{node.name} takes a timestamp and a constant zone, as 'Europe/Paris'")
    value, zone = (binder.bind(part, rules) for part in parts)
    if value.type is UNKNOWN:
        value = binder.coerced(node, value, TIMESTAMP)
    if value.type is not TIMESTAMP and not isinstance(value.type, ZonedType):
        raise binder.query.mismatch(parts[0], f"a time zone is that of a timestamp, and this is {value.type.text}")
    return value, _zone(binder, parts[1], zone)


def _zone(binder: Expressions, node: exp.Expr, zone: Typed) -> ZonedType:
    name = zone.constant
    if zone.type is INTERVAL and isinstance(name, int):
        minutes = abs(name) // UNIT_NS["minute"]
        name = f"{'-' if name < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    elif zone.type is not VARCHAR or name is None:
        raise binder.query.mismatch(node, f"a time zone is a constant text, as 'Europe/Paris', not {zone.type.text}")
    try:
        return zone_type(str(name))
    except ValueError as error:
        raise binder.query.mismatch(node, str(error)) from None


def shifted(binder: Expressions, node: exp.Expr, sign: str, operands: list[Typed]) -> Typed:
    """A time with a zone ± an interval, or the interval between two."""
    zone = zone_of(*(operand.type for operand in operands))
    assert zone is not None
    is_by_clocks = any(operand.type is MONTHS for operand in operands)
    made = binder.apply(node, OPERATORS[sign], list(map(local if is_by_clocks else instant, operands)))
    if made.type is not TIMESTAMP:
        return made
    return shown_by(made, zone) if is_by_clocks else replace(made, type=zone)


ZONE_CALLS: Mapping[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = {
    "at_timezone": _at_timezone,
    "with_timezone": _with_timezone,
}
