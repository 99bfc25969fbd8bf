"""Calls with their own syntax: CAST, EXTRACT, POSITION, TRIM, CURRENT_TIMESTAMP."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from store.sql.casts import cast_value, tried
from store.sql.expressions import Expressions, Rules
from store.sql.functions import FUNCTIONS
from store.sql.functions.time import floor_rest, floor_to
from store.sql.literals import NS_PER_DAY
from store.sql.nodes.type_names import named_length, named_type, unknown_type
from store.sql.typed import NULL, Typed, coerce
from store.sql.types import DATE, TIME, TIMESTAMP, UNKNOWN, VARCHAR, SqlType


def cast(binder: Expressions, node: exp.Cast, rules: Rules) -> Typed:
    """CAST and TRY_CAST. A constant text is converted to a constant time."""
    binder.query.refuse_other(node, "this", "to", "safe", "_type", what="CAST")
    target = named_type(binder, node, node.to, is_whole=True)
    value = binder.bind(node.this, rules)
    is_try = isinstance(node, exp.TryCast)
    is_text = value.type is VARCHAR and value.constant is not None
    if node.to.this is exp.DType.TIMESTAMPTZ and not is_text:
        raise unknown_type(binder, node, "timestamp with time zone", " in CAST; write x AT TIME ZONE 'UTC'")
    length = named_length(binder, node)
    if is_text and target in {TIMESTAMP, DATE, TIME}:
        made = NULL if is_try and _is_unfit(value, target) else binder.coerced(node, value, target)
    else:
        made = cast_value(binder, node, value, target, is_try=is_try)
    return made if length is None else _limited(binder, node, made, value.type, length, is_try=is_try)


def _limited(binder: Expressions, node: exp.Cast, made: Typed, source: SqlType, length: int, *, is_try: bool) -> Typed:
    """The value with at most so many characters, or digits of a second's fraction: a text is cut, a time rounded."""
    if made.type is UNKNOWN:
        return made
    if made.type is not VARCHAR:
        step = 10 ** max(9 - length, 0)
        if made.constant is not None:
            number = (int(made.constant) + step // 2) // step * step
            return (
                binder.constant(node, number, TIMESTAMP)
                if made.type is TIMESTAMP
                else binder.constant(node, number % NS_PER_DAY, TIME)
            )
        rounded = floor_to(f"({made.sql} + {step // 2})", str(step))
        sql = floor_rest(rounded, NS_PER_DAY) if made.type is TIME else rounded
        return made if step == 1 else replace(made, sql=sql, column=None)
    if made.type is UNKNOWN or source is VARCHAR:
        if made.constant is not None:
            return binder.constant(node, str(made.constant)[:length], VARCHAR)
        return replace(made, sql=f"left({made.sql}, {length})", column=None)
    refused = f"error('Value ' || x || ' cannot be represented as varchar({length})')"
    checked = f"lambda x: CASE WHEN length(x) > {length} THEN {refused} ELSE x END"
    typed = replace(made, sql=f"list_extract(list_transform([{made.sql}], {checked}), 1)", constant=None)
    return tried(binder, node, typed) if is_try else typed


def extract(binder: Expressions, node: exp.Extract, rules: Rules) -> Typed:
    """EXTRACT(field FROM time): the function with the name of the field."""
    function = FUNCTIONS.get(node.name.lower())
    if function is None or (TIMESTAMP,) not in [form.parameters for form in function.overloads]:
        raise binder.query.mismatch(node, f"Invalid EXTRACT field: {node.name}")
    return binder.apply(node, function, [binder.bind(node.expression, rules)])


def position(binder: Expressions, node: exp.StrPosition, rules: Rules) -> Typed:
    """POSITION(a IN b): strpos."""
    binder.query.refuse_other(node, "this", "substr", what="POSITION")
    arguments = [binder.bind(node.this, rules), binder.bind(node.args["substr"], rules)]
    return binder.apply(node, FUNCTIONS["strpos"], arguments)


def trim(binder: Expressions, node: exp.Trim, rules: Rules) -> Typed:
    """TRIM(x), TRIM(LEADING 'a' FROM x)."""
    binder.query.refuse_other(node, "this", "position", "expression", what="TRIM")
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    parts = [node.this, *([node.expression] if node.args.get("expression") else [])]
    return binder.apply(node, FUNCTIONS[name], [binder.bind(part, rules) for part in parts])


def current(binder: Expressions, node: exp.Expr, rules: Rules) -> Typed:
    """CURRENT_TIMESTAMP and the like; a number of digits of the fraction is not taken."""
    del rules
    binder.query.refuse_other(node, what=_CURRENT[type(node)].upper())
    return binder.apply(node, FUNCTIONS[_CURRENT[type(node)]], [])


_CURRENT: dict[type[exp.Expr], str] = {
    exp.CurrentTimestamp: "current_timestamp",
    exp.CurrentDate: "current_date",
    exp.CurrentTime: "current_time",
    exp.Localtime: "localtime",
    exp.Localtimestamp: "localtimestamp",
}


def _is_unfit(value: Typed, target: SqlType) -> bool:
    try:
        return coerce(value, target) is None
    except OverflowError:
        return True
