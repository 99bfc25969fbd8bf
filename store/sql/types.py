"""The types of SQL values, their form in DuckDB, and their implicit conversions.

Everything about time is an integer internally: a timestamp is nanoseconds since 1970, a date days since 1970, a time of
day nanoseconds since midnight, an interval nanoseconds or months. So arithmetic is exact, and DuckDB's own temporal
types (of which most functions have only microseconds) occur only in the templates of single functions.

Names of types: Timestream query API, `ScalarType`. Conversions: Trino, "Type coercion", and for text constants compared
with a timestamp the AWS reference's examples (`time BETWEEN '2023-09-19' AND '2023-11-01'`).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from store.record import MeasureType


class ScalarType(enum.StrEnum):
    """A scalar SQL type, with its name in Timestream's API."""

    VARCHAR = "VARCHAR"
    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    TIMESTAMP = "TIMESTAMP"
    DATE = "DATE"
    TIME = "TIME"
    INTERVAL_DAY_TO_SECOND = "INTERVAL_DAY_TO_SECOND"
    INTERVAL_YEAR_TO_MONTH = "INTERVAL_YEAR_TO_MONTH"
    UNKNOWN = "UNKNOWN"

    @property
    def duckdb(self) -> str:
        """The DuckDB type of such values."""
        return _DUCKDB.get(self, self.value)

    @property
    def text(self) -> str:
        """The name in messages and in DESCRIBE: lower case, words separated."""
        return self.value.lower().replace("_", " ")


VARCHAR = ScalarType.VARCHAR
BOOLEAN = ScalarType.BOOLEAN
INTEGER = ScalarType.INTEGER
BIGINT = ScalarType.BIGINT
DOUBLE = ScalarType.DOUBLE
TIMESTAMP = ScalarType.TIMESTAMP
DATE = ScalarType.DATE
TIME = ScalarType.TIME
INTERVAL = ScalarType.INTERVAL_DAY_TO_SECOND
MONTHS = ScalarType.INTERVAL_YEAR_TO_MONTH
UNKNOWN = ScalarType.UNKNOWN

_DUCKDB = dict.fromkeys((TIMESTAMP, DATE, TIME, INTERVAL, MONTHS), "BIGINT") | {UNKNOWN: "INTEGER"}


@dataclass(frozen=True, slots=True)
class ArrayType:
    """A list of values of one type."""

    element: SqlType

    @property
    def text(self) -> str:
        """The name in messages."""
        return f"array({self.element.text})"


@dataclass(frozen=True, slots=True)
class RowType:
    """A tuple of named values."""

    fields: tuple[tuple[str, SqlType], ...]

    @property
    def text(self) -> str:
        """The name in messages."""
        return f"row({', '.join(f'{name} {field.text}' for name, field in self.fields)})"


SqlType: TypeAlias = ScalarType | ArrayType | RowType

MEASURE_TYPES = {
    MeasureType.DOUBLE: DOUBLE,
    MeasureType.BIGINT: BIGINT,
    MeasureType.BOOLEAN: BOOLEAN,
    MeasureType.VARCHAR: VARCHAR,
    MeasureType.TIMESTAMP: TIMESTAMP,
}

_WIDER: dict[ScalarType, tuple[ScalarType, ...]] = {
    INTEGER: (BIGINT, DOUBLE),
    BIGINT: (DOUBLE,),
    DATE: (TIMESTAMP,),
    UNKNOWN: tuple(kind for kind in ScalarType if kind is not ScalarType.UNKNOWN),
}
_FROM_TEXT = (TIMESTAMP, DATE, TIME)


def coercion_cost(source: ScalarType, target: ScalarType, *, is_constant: bool) -> int | None:
    """How far `target` is from `source`: 0 if equal, higher if further, None if there is no implicit conversion.

    A varchar is converted to a timestamp, date or time only if it is a constant: then an invalid text is an error of
    the query.
    """
    if source is target:
        return 0
    wider = _WIDER.get(source, ())
    if target in wider:
        return wider.index(target) + 1
    if source is VARCHAR and is_constant and target in _FROM_TEXT:
        return _FROM_TEXT.index(target) + 4
    return None


def common_type(operands: Sequence[tuple[ScalarType, bool]]) -> ScalarType | None:
    """The type to which all these (type, is constant) can be converted with the least change; None if there is none."""
    best: tuple[int, ScalarType] | None = None
    for target in dict.fromkeys(kind for kind, _ in operands):
        costs = [coercion_cost(kind, target, is_constant=is_constant) for kind, is_constant in operands]
        if all(cost is not None for cost in costs):
            total = sum(cost for cost in costs if cost is not None)
            if best is None or total < best[0]:
                best = (total, target)
    return best[1] if best else None
