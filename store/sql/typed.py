"""A bound expression: its DuckDB text and its type. The text contains the user's text only as quoted strings.

Every `sql` is atomic: it can be an operand everywhere. Equal texts are equal expressions, which is how an expression of
the GROUP BY is recognised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from store.sql.bounds import Origin
from store.sql.literals import INT64_MAX, INT64_MIN, NS_PER_DAY, parse_date, parse_time, parse_timestamp
from store.sql.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    Scalar,
    ScalarType,
    SqlType,
    by_parts,
)
from store.values.sql_text import quote_string

Constant: TypeAlias = int | float | bool | str

_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """A use of a column in a query: the position of its name in the text, for messages, and its relation.

    `origins` are what it is in tables.
    """

    relation: str  # the generated alias, e.g. t0
    name: str
    sql: str
    position: int | None
    origins: tuple[Origin, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Typed:
    """A bound expression.

    constant    its value, if it is known without data
    column      the column, if the expression is only that
    free        the columns that it uses outside aggregates and outside expressions of the GROUP BY
    aggregated  whether it contains an aggregate
    """

    sql: str
    type: SqlType
    constant: Constant | None = None
    column: ColumnUse | None = None
    free: tuple[ColumnUse, ...] = ()
    aggregated: bool = False


NULL = Typed("NULL", UNKNOWN)


def constant(value: Constant, kind: ScalarType) -> Typed:
    """A constant of this type. Raises OverflowError if `value` is out of the type's range."""
    if kind is BOOLEAN:
        return Typed("TRUE" if value else "FALSE", kind, bool(value))
    if kind is VARCHAR:
        return Typed(quote_string(str(value)), kind, str(value))
    if kind is DOUBLE:
        number = float(value)
        # as text, because DuckDB would read a number as a decimal: without the sign of zero, and rounded twice
        return Typed(f"CAST('{number!r}' AS DOUBLE)", kind, number)
    whole = int(value)
    low, high = (-_INT32_MAX - 1, _INT32_MAX) if kind is INTEGER else (INT64_MIN, INT64_MAX)
    if not low <= whole <= high:
        raise OverflowError(f"{whole} is out of the range of {kind.text}")
    return Typed(f"CAST({whole} AS {kind.duckdb})", kind, whole)


_FROM_TEXT = {TIMESTAMP: parse_timestamp, DATE: parse_date, TIME: parse_time}


def coerce(value: Typed, target: SqlType) -> Typed | None:
    """`value` implicitly converted to a type (see `types.coercion_cost`); None if a text is not such a value."""
    if value.type == target:
        return value
    if value.constant is not None and isinstance(target, ScalarType):
        if value.type is VARCHAR:
            parsed = _FROM_TEXT[target](str(value.constant))
            return None if parsed is None else constant(parsed, target)
        number = value.constant
        return constant(int(number) * NS_PER_DAY if value.type is DATE else number, target)
    sql = by_parts(value.sql, value.type, target, _implicitly)
    return None if sql is None else Typed(sql, target, None, None, value.free, value.aggregated)


def _implicitly(sql: str, source: Scalar, target: SqlType) -> str:
    return f"({sql} * {NS_PER_DAY})" if source is DATE and target is TIMESTAMP else f"CAST({sql} AS {target.duckdb})"
