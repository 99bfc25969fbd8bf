"""Comparisons with Trino's answers for NaN, and for nulls within arrays and rows, where DuckDB's differ."""

from __future__ import annotations

import math

from store.sql.typed import Typed
from store.sql.types import DOUBLE, ArrayType, MapType, RowType, Scalar, SqlType, TimeSeriesType, struct

_ALL = "CASE WHEN NOT list_bool_and(b) THEN false WHEN list_position(b, NULL) > 0 THEN NULL ELSE true END"
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


def compared(sign: str, left: Typed, right: Typed) -> str:
    """DuckDB's text that compares two values of one type."""
    if left.type is DOUBLE:
        return _of_doubles(sign, left, right)
    if sign == "=":
        return _equal(left.sql, right.sql, left.type)
    if sign == "<>":
        return f"(NOT {_equal(left.sql, right.sql, left.type)})" if _has_parts(left.type) else _plain(sign, left, right)
    if not isinstance(left.type, Scalar):
        given = (
            f"list_transform([{struct([left.sql, right.sql])}], lambda q: {_ordered(sign, 'q.f0', 'q.f1', left.type)})"
        )
        return f"list_extract({given}, 1)"
    return _plain(sign, left, right)


def _plain(sign: str, left: Typed, right: Typed) -> str:
    return f"({left.sql} {sign} {right.sql})"


def _of_doubles(sign: str, left: Typed, right: Typed) -> str:
    """NaN equals nothing, and is neither smaller nor larger; for DuckDB it equals itself and is the largest."""
    plain = _plain(sign, left, right)
    may_be_nan = [value.constant is None or math.isnan(float(value.constant)) for value in (left, right)]
    both = f"(isnan({left.sql}) AND isnan({right.sql}))"
    match sign:
        case "=":
            return f"({plain} AND NOT {both})" if all(may_be_nan) else plain
        case "<>":
            return f"({plain} OR {both})" if all(may_be_nan) else plain
        case "<" | "<=":
            return f"({plain} AND NOT isnan({right.sql}))" if may_be_nan[1] else plain
    return f"({plain} AND NOT isnan({left.sql}))" if may_be_nan[0] else plain


def _ordered(sign: str, left: str, right: str, kind: SqlType) -> str:
    """Which of two values is smaller: by the first parts that differ. There is no answer if this depends on a null."""
    match kind:
        case TimeSeriesType():
            return _ordered(sign, left, right, kind.rows)
        case RowType():
            whens = []
            for place, (_, field) in enumerate(kind.fields):
                one, other = f"{left}.f{place}", f"{right}.f{place}"
                smaller = _ordered(sign.rstrip("="), one, other, field)
                whens.append(f"WHEN {one} IS NULL OR {other} IS NULL THEN {_NO_ORDER_OF_ROWS}")
                whens.append(f"WHEN NOT {_equal(one, other, field)} THEN {smaller}")
            whole = " ".join(whens)
            is_null = f"{left} IS NULL OR {right} IS NULL"
            return f"CASE WHEN {is_null} THEN NULL {whole} ELSE {str('=' in sign).lower()} END"
        case ArrayType():
            has_null = f"{_has_null(left, kind)} OR {_has_null(right, kind)}"
            return f"CASE WHEN {has_null} THEN {_NO_ORDER_OF_ARRAYS} ELSE {left} {sign} {right} END"
    return compared(sign, Typed(left, kind), Typed(right, kind))


_NO_ORDER_OF_ROWS = "error('ROW comparison not supported for fields with null elements')"
_NO_ORDER_OF_ARRAYS = "error('ARRAY comparison not supported for arrays with null elements')"


def _has_null(value: str, kind: SqlType, depth: int = 0) -> str:
    """Whether a part of a value is null, at any depth."""
    match kind:
        case TimeSeriesType():
            return _has_null(value, kind.rows, depth)
        case RowType():
            fields = [
                _is_or_has_null(f"{value}.f{place}", field, depth) for place, (_, field) in enumerate(kind.fields)
            ]
            return f"({' OR '.join(fields)})" if fields else "false"
        case ArrayType() if isinstance(kind.element, Scalar):
            return f"coalesce(list_position({value}, NULL) > 0, false)"
        case ArrayType():
            part = f"n{depth}"
            has_null = _is_or_has_null(part, kind.element, depth + 1)
            return f"coalesce(list_bool_or(list_transform({value}, lambda {part}: {has_null})), false)"
    return "false"


def _is_or_has_null(value: str, kind: SqlType, depth: int) -> str:
    return f"({value} IS NULL OR {_has_null(value, kind, depth)})"


def _has_parts(kind: SqlType) -> bool:
    return not isinstance(kind, Scalar)


def _equal(left: str, right: str, kind: SqlType, depth: int = 0) -> str:
    """Whether two values are equal: false if parts differ, else null if a part is null."""
    match kind:
        case TimeSeriesType() | MapType():
            return _equal(left, right, kind.rows, depth)
        case RowType():
            fields = [
                _equal(f"struct_extract({left}, 'f{place}')", f"struct_extract({right}, 'f{place}')", field, depth)
                for place, (_, field) in enumerate(kind.fields)
            ]
            return f"({' AND '.join(fields)})" if fields else "true"
        case ArrayType():
            pair = f"z{depth}"
            equal = _equal(f"{pair}[1]", f"{pair}[2]", kind.element, depth + 1)
            pairs = f"list_transform(list_zip({left}, {right}), lambda {pair}: {equal})"
            return (
                f"CASE WHEN {left} IS NULL OR {right} IS NULL THEN NULL WHEN len({left}) <> len({right}) THEN false"
                f" ELSE list_extract(list_transform([{pairs}], lambda b: {_ALL}), 1) END"
            )
    equal = f"({left} = {right})"
    return f"({equal} AND NOT (isnan({left}) AND isnan({right})))" if kind is DOUBLE else equal
