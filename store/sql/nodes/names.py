"""Columns and constants."""

from __future__ import annotations

from sqlglot import exp

from store.sql.expressions import Expressions, Rules
from store.sql.literals import parse_interval_text
from store.sql.nodes.nested import field
from store.sql.text import position
from store.sql.typed import NULL, Typed, constant
from store.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, VARBINARY, VARCHAR
from store.values.sql_text import quote_string


def column(binder: Expressions, node: exp.Column, rules: Rules) -> Typed:
    """A column, or an interval such as `5m`, or the name of an output if `rules` allow it, in this order."""
    binder.query.refuse_other(node, "this", "table", "db", "catalog", what="a column")
    if not isinstance(node.this, exp.Identifier):
        raise binder.query.syntax(node, "'*' is not a value")
    qualifier = tuple(
        part.name for key in ("catalog", "db", "table") if isinstance(part := node.args.get(key), exp.Identifier)
    )
    name, offset = node.name, position(node)
    typed = binder.scope.resolve(qualifier, name, offset)
    if typed is not None:
        return typed
    if not qualifier and not node.this.args.get("quoted") and name[0].isdigit():
        return binder.interval_constant(node, name)
    for alias, value in rules.aliases:
        if not qualifier and alias == name:
            return value
    for place in reversed(range(len(qualifier))):  # the field of a row that is a column
        typed = binder.scope.resolve(qualifier[:place], qualifier[place], offset)
        if typed is not None:
            for part in (*qualifier[place + 1 :], name):
                typed = field(binder, node, typed, part)
            return typed
    raise binder.scope.missing(qualifier, name, offset)


def literal(binder: Expressions, node: exp.Literal, rules: Rules) -> Typed:
    """A text or a number: integer or bigint depending on its size, double with a point or exponent."""
    del rules
    text = node.name
    if node.is_string:
        return constant(text, VARCHAR)
    if text.isdigit():
        number = int(text)
        return binder.constant(node, number, INTEGER if number < 2**31 else BIGINT)
    return constant(float(text), DOUBLE)


def boolean(binder: Expressions, node: exp.Boolean, rules: Rules) -> Typed:
    """A boolean constant."""
    del binder, rules
    return constant(bool(node.this), BOOLEAN)


def binary(binder: Expressions, node: exp.HexString, rules: Rules) -> Typed:
    """Bytes, `X'00ff'`."""
    del rules
    if len(node.this) % 2:
        raise binder.query.syntax(node, "Binary literal must contain an even number of digits")
    return Typed(f"unhex({quote_string(node.this)})", VARBINARY)


def parameter(binder: Expressions, node: exp.Parameter, rules: Rules) -> Typed:
    """`@name`, in a statement that is prepared, or scheduled."""
    del rules
    bound = binder.parameters.bound(node.name)
    if bound is None:
        raise binder.query.unknown(node, f"Parameter '@{node.name}' has no value: only PrepareQuery takes parameters")
    return bound


def null(binder: Expressions, node: exp.Null, rules: Rules) -> Typed:
    """The null, without a type so far."""
    del binder, node, rules
    return NULL


def interval(binder: Expressions, node: exp.Interval, rules: Rules) -> Typed:
    """`INTERVAL '6' DAY`, `INTERVAL -'1 2:03' DAY TO MINUTE`."""
    del rules
    number, unit = node.this, node.args.get("unit")
    sign = -1 if isinstance(number, exp.Neg) else 1
    number = number.this if isinstance(number, exp.Neg) else number
    ends = (unit.this, unit.expression) if isinstance(unit, exp.IntervalSpan) else (unit, unit)
    units = [end.name.lower() for end in ends if isinstance(end, exp.Var)]
    if not isinstance(number, exp.Literal) or len(units) < 2:
        raise binder.query.syntax(node, "an INTERVAL is a text and its unit, as INTERVAL '6' DAY")
    first, last = units
    named = " TO ".join(dict.fromkeys((first.upper(), last.upper())))
    try:
        found = parse_interval_text(number.name, first, last)
    except LookupError:
        raise binder.query.mismatch(node, f"Invalid interval unit '{named}'; there are {_INTERVALS}") from None
    if found is None:
        raise binder.query.mismatch(node, f"Invalid INTERVAL {named} value: {number.name[:100]}")
    return binder.constant(node, sign * found[0], found[1])


_INTERVALS = "YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, and spans of them such as YEAR TO MONTH and DAY TO SECOND"
