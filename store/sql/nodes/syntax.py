"""Calls with their own syntax: CAST, EXTRACT, POSITION, TRIM, CURRENT_TIMESTAMP."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from store.sql.casts import cast_overload
from store.sql.expressions import Expressions, Rules
from store.sql.functions import FUNCTIONS
from store.sql.typed import NULL, Typed, coerce
from store.sql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, TIME, TIMESTAMP, VARCHAR, ScalarType

_TYPES: dict[Any, ScalarType] = {
    exp.DType.BOOLEAN: BOOLEAN,
    exp.DType.INT: INTEGER,
    exp.DType.BIGINT: BIGINT,
    exp.DType.DOUBLE: DOUBLE,
    exp.DType.VARCHAR: VARCHAR,
    exp.DType.TIMESTAMP: TIMESTAMP,
    exp.DType.TIMESTAMPTZ: TIMESTAMP,  # of a constant that ends with a zone
    exp.DType.DATE: DATE,
    exp.DType.TIME: TIME,
}


def cast(binder: Expressions, node: exp.Cast, rules: Rules) -> Typed:
    """CAST and TRY_CAST. A constant text is converted to a constant time."""
    binder.query.refuse_other(node, "this", "to", "safe", "_type", what="CAST")
    target = _TYPES.get(node.to.this)
    if target is None:
        raise binder.query.mismatch(node, f"Unknown type: {node.to.this.value.lower()}")
    value = binder.bind(node.this, rules)
    if value.type is VARCHAR and value.constant is not None and target in {TIMESTAMP, DATE, TIME}:
        return (
            NULL if isinstance(node, exp.TryCast) and _is_unfit(value, target) else binder.coerced(node, value, target)
        )
    overload = cast_overload(value.type, target, is_try=isinstance(node, exp.TryCast))
    if overload is None:
        raise binder.query.mismatch(node, f"Cannot cast {value.type.text} to {target.text}")
    return binder.rendered(node, overload, target, [value])


def extract(binder: Expressions, node: exp.Extract, rules: Rules) -> Typed:
    """EXTRACT(field FROM time): the function with the name of the field."""
    function = FUNCTIONS.get(node.name.lower())
    if function is None or function.overloads[0].parameters != (TIMESTAMP,):
        raise binder.query.mismatch(node, f"Invalid EXTRACT field: {node.name}")
    return binder.apply(node, function, [binder.bind(node.expression, rules)])


def position(binder: Expressions, node: exp.StrPosition, rules: Rules) -> Typed:
    """POSITION(a IN b): strpos."""
    binder.query.refuse_other(node, "this", "substr", what="POSITION")
    arguments = [binder.bind(node.this, rules), binder.bind(node.args["substr"], rules)]
    return binder.apply(node, FUNCTIONS["strpos"], arguments)


def trim(binder: Expressions, node: exp.Trim, rules: Rules) -> Typed:
    """TRIM(x)."""
    binder.query.refuse_other(node, "this", what="TRIM")
    return binder.apply(node, FUNCTIONS["trim"], [binder.bind(node.this, rules)])


def current(binder: Expressions, node: exp.Expr, rules: Rules) -> Typed:
    """CURRENT_TIMESTAMP and CURRENT_DATE."""
    del rules
    name = "current_date" if isinstance(node, exp.CurrentDate) else "now"
    return binder.apply(node, FUNCTIONS[name], [])


def _is_unfit(value: Typed, target: ScalarType) -> bool:
    try:
        return coerce(value, target) is None
    except OverflowError:
        return True
