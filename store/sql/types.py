"""The types of SQL values, their form in DuckDB, and their implicit conversions.

Everything about time is an integer internally: a timestamp is nanoseconds since 1970, a date days since 1970, a time of
day nanoseconds since midnight, an interval nanoseconds or months. So arithmetic is exact, and DuckDB's own temporal
types (of which most functions have only microseconds) occur only in the templates of single functions.

Names of types: Timestream query API, `ScalarType`. Conversions: Trino, "Type coercion", and for text constants compared
with a timestamp the AWS reference's examples (`time BETWEEN '2023-09-19' AND '2023-11-01'`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from store.record import MeasureType


class ScalarType(enum.StrEnum):
    """A scalar SQL type, with its name in Timestream's API if it has this type."""

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
    VARBINARY = "VARBINARY"
    JSON = "JSON"

    @property
    def duckdb(self) -> str:
        """The DuckDB type of such values."""
        return _DUCKDB.get(self, self.value)

    @property
    def on_wire(self) -> str:
        """The type in Timestream's API that its texts have there."""
        return (ScalarType.VARCHAR if self in {ScalarType.VARBINARY, ScalarType.JSON} else self).value

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
VARBINARY = ScalarType.VARBINARY
JSON = ScalarType.JSON

TEXTS = frozenset({VARCHAR, JSON})
"""Types whose values may have any character, so that who writes them has to quote them."""

_DUCKDB = dict.fromkeys((TIMESTAMP, DATE, TIME, INTERVAL, MONTHS), "BIGINT") | {
    UNKNOWN: "INTEGER",
    VARBINARY: "BLOB",
    JSON: "VARCHAR",
}


@dataclass(frozen=True, slots=True)
class ArrayType:
    """A list of values of one type."""

    element: SqlType

    @property
    def duckdb(self) -> str:
        """The DuckDB type of such values."""
        return f"{self.element.duckdb}[]"

    @property
    def text(self) -> str:
        """The name in messages."""
        return f"array({self.element.text})"


@dataclass(frozen=True, slots=True)
class RowType:
    """A tuple of values, each with a name, or "" if it has none. In DuckDB a struct (`f0`, `f1`, …)."""

    fields: tuple[tuple[str, SqlType], ...]

    @property
    def duckdb(self) -> str:
        """The DuckDB type of such values."""
        return f"STRUCT({', '.join(f'f{place} {field.duckdb}' for place, (_, field) in enumerate(self.fields))})"

    @property
    def text(self) -> str:
        """The name in messages."""
        return f"row({', '.join(f'{name} {field.text}'.strip() for name, field in self.fields)})"


@dataclass(frozen=True, slots=True)
class TimeSeriesType:
    """Values of one type with their times, in order of time. In DuckDB the array of `rows`."""

    value: SqlType

    @property
    def rows(self) -> ArrayType:
        """The array that holds the same."""
        return ArrayType(RowType((("time", TIMESTAMP), ("value", self.value))))

    @property
    def duckdb(self) -> str:
        """The DuckDB type of such values."""
        return self.rows.duckdb

    @property
    def text(self) -> str:
        """The name in messages."""
        return f"timeseries({self.value.text})"


@dataclass(frozen=True, slots=True)
class MapType:
    """Values by key. In DuckDB the array of `rows` in the order of the keys, so that equal maps are equal arrays."""

    key: SqlType
    value: SqlType

    @property
    def rows(self) -> ArrayType:
        """The array that holds the same."""
        return ArrayType(RowType((("key", self.key), ("value", self.value))))

    @property
    def duckdb(self) -> str:
        """The DuckDB type of such values."""
        return self.rows.duckdb

    @property
    def text(self) -> str:
        """The name in messages."""
        return f"map({self.key.text}, {self.value.text})"


@dataclass(frozen=True, slots=True)
class ZonedType:
    """An instant by the clocks of a zone, `Europe/Paris` or `+02:00`. In DuckDB as a timestamp."""

    zone: str

    @property
    def duckdb(self) -> str:
        """The DuckDB type of such values."""
        return TIMESTAMP.duckdb

    @property
    def text(self) -> str:
        """The name in messages."""
        return "timestamp with time zone"

    @property
    def on_wire(self) -> str:
        """See `ScalarType`."""
        return VARCHAR.value


Scalar: TypeAlias = ScalarType | ZonedType
"""The types of values without parts."""
SqlType: TypeAlias = Scalar | ArrayType | RowType | TimeSeriesType | MapType

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


def struct(values: Iterable[str]) -> str:
    """DuckDB's text for a row of these values."""
    pairs = (f"'f{place}': {value}" for place, value in enumerate(values))
    return f"{{{', '.join(pairs)}}}"


def depth(kind: SqlType) -> int:
    """How many arrays and rows are within each other."""
    match kind:
        case ArrayType():
            return 1 + depth(kind.element)
        case RowType():
            return 1 + max((depth(field) for _, field in kind.fields), default=0)
        case TimeSeriesType() | MapType():
            return depth(kind.rows)
    return 0


def is_ordered(kind: SqlType) -> bool:
    """Whether values of this type are smaller and larger than others; maps and JSON are not."""
    match kind:
        case ArrayType():
            return is_ordered(kind.element)
        case RowType():
            return all(is_ordered(field) for _, field in kind.fields)
    return not isinstance(kind, MapType) and kind is not ScalarType.JSON


def in_order_of_keys(rows: str) -> str:
    """DuckDB's text for the map of these rows, whose keys must be different, and not null."""
    keys = "list_transform(m, lambda p: p.f0)"
    twice = f"list_extract(list_filter({keys}, lambda k: len(list_filter({keys}, lambda j: j = k)) > 1), 1)"
    return (
        f"list_extract(list_transform([list_sort({rows})], lambda m: CASE WHEN list_position(m, NULL) > 0"
        f" THEN error('map entry cannot be null') WHEN list_position({keys}, NULL) > 0"
        f" THEN error('map key cannot be null') WHEN list_unique({keys}) < len(m)"
        f" THEN error('Duplicate map keys (' || {twice} || ') are not allowed') ELSE m END), 1)"
    )


def by_parts(
    sql: str,
    source: SqlType,
    target: SqlType,
    scalar: Callable[[str, Scalar, SqlType], str | None],
    depth: int = 0,
) -> str | None:
    """DuckDB's text that converts a value, arrays and rows part by part and `scalar` what is none; None if one cannot.

    `depth`: of the lambdas around it.
    """
    if source == target:
        return sql
    part = f"e{depth}"
    match source, target:
        case ScalarType() | ZonedType(), _:
            return scalar(sql, source, target)
        case TimeSeriesType(), _:
            return by_parts(sql, source.rows, _rows_of(target), scalar, depth)
        case MapType(), MapType():
            rows = by_parts(sql, source.rows, target.rows, scalar, depth)
            return rows if rows is None or source.key == target.key else in_order_of_keys(rows)
        case ArrayType(), ArrayType():
            element = by_parts(part, source.element, target.element, scalar, depth + 1)
            return sql if element == part else element and f"list_transform({sql}, lambda {part}: {element})"
        case RowType(), RowType() if len(source.fields) == len(target.fields):
            kept = [f"struct_extract({part}, 'f{place}')" for place in range(len(source.fields))]
            fields = [
                by_parts(field, one, other, scalar, depth + 1)
                for field, (_, one), (_, other) in zip(kept, source.fields, target.fields, strict=True)
            ]
            made = [field for field in fields if field is not None]
            if len(made) < len(fields) or made == kept:
                return sql if made == kept else None
            row = f"CASE WHEN {part} IS NOT NULL THEN {struct(made)} END"
            return f"list_extract(list_transform([{sql}], lambda {part}: {row}), 1)"
    return None


def _rows_of(kind: SqlType) -> SqlType:
    return kind.rows if isinstance(kind, TimeSeriesType) else kind


def coercion_cost(source: SqlType, target: SqlType, *, is_constant: bool) -> int | None:
    """How far `target` is from `source`: 0 if equal, higher if further, None if there is no implicit conversion.

    A varchar is converted to a timestamp, date or time only if it is a constant: then an invalid text is an error of
    the query. Nested types are converted part by part; a time series is also an array of its rows.
    """
    if source == target:
        return 0
    match source, target:
        case ScalarType(), ScalarType():
            return _scalar_cost(source, target, is_constant=is_constant)
        case ScalarType.UNKNOWN, _:
            return 1
        case ArrayType(), ArrayType():
            return coercion_cost(source.element, target.element, is_constant=False)
        case TimeSeriesType(), TimeSeriesType():
            return coercion_cost(source.value, target.value, is_constant=False)
        case MapType(), MapType():
            return coercion_cost(source.rows, target.rows, is_constant=False)
        case TimeSeriesType(), ArrayType():
            cost = coercion_cost(source.rows, target, is_constant=False)
            return None if cost is None else cost + 1
        case RowType(), RowType() if len(source.fields) == len(target.fields):
            costs = [
                coercion_cost(one, other, is_constant=False)
                for (_, one), (_, other) in zip(source.fields, target.fields, strict=True)
            ]
            return None if None in costs else sum(cost for cost in costs if cost is not None)
    return None


def _scalar_cost(source: ScalarType, target: ScalarType, *, is_constant: bool) -> int | None:
    wider = _WIDER.get(source, ())
    if target in wider:
        return wider.index(target) + 1
    if source is VARCHAR and is_constant and target in _FROM_TEXT:
        return _FROM_TEXT.index(target) + 4
    return None


def common_type(operands: Sequence[tuple[SqlType, bool]]) -> SqlType | None:
    """The type to which all these (type, is constant) can be converted with the least change; None if there is none."""
    if all(isinstance(kind, ScalarType) for kind, _ in operands):
        return _nearest(operands)
    common: SqlType | None = UNKNOWN
    for kind, _ in operands:
        common = common and _common(common, kind)
    return common


def _nearest(operands: Sequence[tuple[SqlType, bool]]) -> SqlType | None:
    best: tuple[int, SqlType] | None = None
    for target in dict.fromkeys(kind for kind, _ in operands):
        costs = [coercion_cost(kind, target, is_constant=is_constant) for kind, is_constant in operands]
        if all(cost is not None for cost in costs):
            total = sum(cost for cost in costs if cost is not None)
            if best is None or total < best[0]:
                best = (total, target)
    return best[1] if best else None


def _common(one: SqlType, other: SqlType) -> SqlType | None:
    """The type to which both can be converted, part by part."""
    match one, other:
        case ArrayType(), ArrayType():
            element = _common(one.element, other.element)
            return None if element is None else ArrayType(element)
        case TimeSeriesType(), TimeSeriesType():
            value = _common(one.value, other.value)
            return None if value is None else TimeSeriesType(value)
        case MapType(), MapType():
            key, value = _common(one.key, other.key), _common(one.value, other.value)
            return None if key is None or value is None else MapType(key, value)
        case RowType(), RowType() if len(one.fields) == len(other.fields):
            fields = []
            for (name, field), (other_name, other_field) in zip(one.fields, other.fields, strict=True):
                common = _common(field, other_field)
                if common is None:
                    return None
                fields.append((name if name == other_name else "", common))
            return RowType(tuple(fields))
    return _nearest([(one, False), (other, False)])
