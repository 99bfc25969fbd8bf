"""The names of types in CAST."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from store.sql.errors import SqlError
from store.sql.expressions import Expressions
from store.sql.text import nearest
from store.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL,
    JSON,
    MONTHS,
    TIME,
    TIMESTAMP,
    VARBINARY,
    VARCHAR,
    ArrayType,
    MapType,
    RowType,
    Scalar,
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
    exp.DType.VARBINARY: VARBINARY,
    exp.DType.JSON: JSON,
}


def named_type(binder: Expressions, at: exp.Expr, node: exp.Expr, *, is_whole: bool = False) -> SqlType:
    """The type that is named; arrays, rows and maps with the types of their parts."""
    if isinstance(node, exp.DataType):
        parts = node.expressions
        if node.this is exp.DType.ARRAY and len(parts) == 1:
            return ArrayType(named_type(binder, at, parts[0]))
        if node.this is exp.DType.MAP and len(parts) == 2:
            return _map_of(binder, at, *(named_type(binder, at, part) for part in parts))
        if node.this is exp.DType.STRUCT and parts:
            return RowType(tuple(_field(binder, at, part) for part in parts))
        if isinstance(node.this, exp.Interval):
            return _interval_type(binder, at, node.this)
        found = _TYPES.get(node.this)
        if found is not None and parts and not is_whole:
            raise binder.query.unsupported(at, f"{node.sql().upper()} within another type")
        if found is not None:
            return found
    raise unknown_type(binder, at, node.sql().lower(), nearest(node.sql().lower(), _NAMES))


def unknown_type(binder: Expressions, at: exp.Expr, name: str, more: str) -> SqlError:
    """The error for the name of a type that there is not."""
    return binder.query.mismatch(at, f"Unknown type: {name}{more}; there are {', '.join(_NAMES)}")


_NAMES = (
    *(
        "boolean",
        "integer",
        "bigint",
        "double",
        "varchar",
        "timestamp",
        "date",
        "time",
        "varbinary",
        "json",
        "interval day to second",
    ),
    *("interval year to month", "array(…)", "row(…)", "map(…)"),
)


def _interval_type(binder: Expressions, at: exp.Expr, node: exp.Interval) -> ScalarType:
    unit = node.args.get("unit")
    span = f"{unit.this.name} {unit.expression.name}" if isinstance(unit, exp.IntervalSpan) else ""
    found = {"DAY SECOND": INTERVAL, "YEAR MONTH": MONTHS}.get(span)
    if found is None:
        raise unknown_type(binder, at, node.sql().lower(), "")
    return found


def _map_of(binder: Expressions, at: exp.Expr, key: SqlType, value: SqlType) -> MapType:
    if not isinstance(key, Scalar):
        raise binder.query.mismatch(at, f"the keys of a map are of a scalar type, and this is {key.text}")
    return MapType(key, value)


def _field(binder: Expressions, at: exp.Expr, node: exp.Expr) -> tuple[str, SqlType]:
    if isinstance(node, exp.ColumnDef):
        return node.name, named_type(binder, at, node.args["kind"])
    return "", named_type(binder, at, node)


def named_length(binder: Expressions, node: exp.Cast) -> int | None:
    """The characters of a VARCHAR(3), the digits of a second's fraction of a TIMESTAMP(3)."""
    parts = [part for part in node.to.expressions if isinstance(part, exp.DataTypeParam)]
    if not parts or _TYPES.get(node.to.this) not in {VARCHAR, TIMESTAMP, TIME}:
        return None
    if len(parts) != 1 or not parts[0].name.isdigit():
        raise binder.query.mismatch(node, f"Unknown type: {node.to.sql().lower()}")
    return int(parts[0].name)
