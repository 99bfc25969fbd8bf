"""Comparisons with Trino's answers for NaN, and for nulls within arrays and rows, where DuckDB's differ."""

from __future__ import annotations

import math

from store.sql.typed import Typed
from store.sql.types import DOUBLE, ArrayType, MapType, RowType, ScalarType, SqlType, TimeSeriesType

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


def _has_parts(kind: SqlType) -> bool:
    return not isinstance(kind, ScalarType)


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
