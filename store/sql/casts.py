"""CAST and TRY_CAST: the possible conversions between types.

As in Trino: a double is rounded half away from zero to an integer, and a text must have the form of the type; otherwise
there is an error, or null from TRY_CAST. DuckDB parses texts of times, exact to the nanosecond.
"""

from __future__ import annotations

from store.sql.functions.function import Overload
from store.sql.literals import NS_PER_DAY
from store.sql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, TIMESTAMP, UNKNOWN, VARCHAR, ScalarType

# A text with other characters than digits gets this prefix, so that the cast fails: DuckDB would round '5.5'
REFUSED = "\ue000"
_DIGITS = f"CASE WHEN regexp_full_match({{0}}, '[+-]?[0-9]+') THEN {{0}} ELSE {{0}} || '{REFUSED}' END"
_FRACTION = "lpad(CAST((({0} % 1000000000) + 1000000000) % 1000000000 AS VARCHAR), 9, '0')"
_FLOOR_DAY = f"(({{0}} - ((({{0}}) % {NS_PER_DAY}) + {NS_PER_DAY}) % {NS_PER_DAY}) // {NS_PER_DAY})"

_TEMPLATES: dict[tuple[ScalarType, ScalarType], str] = {
    (INTEGER, BIGINT): "CAST({0} AS BIGINT)",
    (INTEGER, DOUBLE): "CAST({0} AS DOUBLE)",
    (INTEGER, VARCHAR): "CAST({0} AS VARCHAR)",
    (INTEGER, BOOLEAN): "({0} <> 0)",
    (BIGINT, INTEGER): "CAST({0} AS INTEGER)",
    (BIGINT, DOUBLE): "CAST({0} AS DOUBLE)",
    (BIGINT, VARCHAR): "CAST({0} AS VARCHAR)",
    (BIGINT, BOOLEAN): "({0} <> 0)",
    (DOUBLE, INTEGER): "CAST(round({0}) AS INTEGER)",
    (DOUBLE, BIGINT): "CAST(round({0}) AS BIGINT)",
    (DOUBLE, VARCHAR): "CAST({0} AS VARCHAR)",
    (DOUBLE, BOOLEAN): "({0} <> 0)",
    (BOOLEAN, INTEGER): "CAST({0} AS INTEGER)",
    (BOOLEAN, BIGINT): "CAST({0} AS BIGINT)",
    (BOOLEAN, DOUBLE): "CAST({0} AS DOUBLE)",
    (BOOLEAN, VARCHAR): "CAST({0} AS VARCHAR)",
    (VARCHAR, INTEGER): f"CAST({_DIGITS} AS INTEGER)",
    (VARCHAR, BIGINT): f"CAST({_DIGITS} AS BIGINT)",
    (VARCHAR, DOUBLE): "CAST({0} AS DOUBLE)",
    (VARCHAR, BOOLEAN): "CAST({0} AS BOOLEAN)",
    (VARCHAR, TIMESTAMP): "epoch_ns(CAST({0} AS TIMESTAMP_NS))",
    (VARCHAR, DATE): "datediff('day', DATE '1970-01-01', CAST({0} AS DATE))",
    (TIMESTAMP, DATE): _FLOOR_DAY,
    (TIMESTAMP, VARCHAR): f"(strftime(make_timestamp_ns({{0}}), '%Y-%m-%d %H:%M:%S.') || {_FRACTION})",
    (DATE, TIMESTAMP): f"({{0}} * {NS_PER_DAY})",
    (DATE, VARCHAR): "CAST(DATE '1970-01-01' + CAST({0} AS INTEGER) AS VARCHAR)",
}


def cast_overload(source: ScalarType, target: ScalarType, *, is_try: bool) -> Overload | None:
    """The overload that converts `source` to `target`; None if there is no such cast."""
    template = _TEMPLATES.get((source, target))
    if source is target:
        template = "{0}"
    elif source is UNKNOWN:
        template = f"CAST({{0}} AS {target.duckdb})"
    if template is None:
        return None
    return Overload((source,), target, f"TRY({template})" if is_try and source is not target else template)
