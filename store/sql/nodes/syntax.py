"""Calls with their own syntax: CAST, EXTRACT, POSITION, TRIM, CURRENT_TIMESTAMP."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from store.sql.casts import cast_value
from store.sql.expressions import Expressions, Rules
from store.sql.functions import FUNCTIONS
from store.sql.typed import NULL, Typed, coerce
from store.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TIME,
    TIMESTAMP,
    VARCHAR,
    ArrayType,
    MapType,
    RowType,
    ScalarType,
    SqlType,
)

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
    target = _type(binder, node.to)
    value = binder.bind(node.this, rules)
    is_try = isinstance(node, exp.TryCast)
    if value.type is VARCHAR and value.constant is not None and target in {TIMESTAMP, DATE, TIME}:
        return NULL if is_try and _is_unfit(value, target) else binder.coerced(node, value, target)
    return cast_value(binder, node, value, target, is_try=is_try)


def _type(binder: Expressions, node: exp.DataType | exp.Expr) -> SqlType:
    """The type that is named; arrays and rows with the types of their parts."""
    if isinstance(node, exp.DataType):
        parts = node.expressions
        if node.this is exp.DType.ARRAY and len(parts) == 1:
            return ArrayType(_type(binder, parts[0]))
        if node.this is exp.DType.MAP and len(parts) == 2:
            return _map_of(binder, node, *(_type(binder, part) for part in parts))
        if node.this is exp.DType.STRUCT and parts:
            return RowType(tuple(_field(binder, part) for part in parts))
        found = _TYPES.get(node.this)
        if found is not None:
            return found
    raise binder.query.mismatch(node, f"Unknown type: {node.sql().lower()}")


def _map_of(binder: Expressions, node: exp.Expr, key: SqlType, value: SqlType) -> MapType:
    if not isinstance(key, ScalarType):
        raise binder.query.mismatch(node, f"the keys of a map are of a scalar type, and this is {key.text}")
    return MapType(key, value)


def _field(binder: Expressions, node: exp.Expr) -> tuple[str, SqlType]:
    if isinstance(node, exp.ColumnDef):
        return node.name, _type(binder, node.args["kind"])
    return "", _type(binder, node)


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
