"""CAST and TRY_CAST: the possible conversions between types.

As in Trino: a double is rounded half away from zero to an integer, and a text must have the form of the type; otherwise
there is an error, or null from TRY_CAST. DuckDB parses texts of times, exact to the nanosecond.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from store.sql.expressions import Expressions, joined
from store.sql.json_casts import from_json, to_json
from store.sql.literals import NS_PER_DAY
from store.sql.typed import Typed
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
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Scalar,
    ScalarType,
    SqlType,
    ZonedType,
    by_parts,
)
from store.sql.zones import local_text
from store.values.sql_text import quote_string

# A text with other characters than digits gets this prefix, so that the cast fails: DuckDB would round '5.5'
REFUSED = "\ue000"
_DIGITS = f"CASE WHEN regexp_full_match({{0}}, '[+-]?[0-9]+') THEN {{0}} ELSE {{0}} || '{REFUSED}' END"
_FRACTION = "lpad(CAST((({0} % 1000000000) + 1000000000) % 1000000000 AS VARCHAR), 9, '0')"
_FLOOR_DAY = f"(({{0}} - ((({{0}}) % {NS_PER_DAY}) + {NS_PER_DAY}) % {NS_PER_DAY}) // {NS_PER_DAY})"

# As Java writes doubles: plain between 10^-3 and 10^7, else one digit before the point, and E
_SHORT = "CAST(abs(d) AS VARCHAR)"  # DuckDB's, which is as short
_DIGITS_OF = f"trim(replace(regexp_replace({_SHORT}, 'e.*$', ''), '.', ''), '0')"
_EXPONENT = (
    f"CASE WHEN contains({_SHORT}, 'e') THEN CAST(regexp_extract({_SHORT}, 'e[+]?(.*)$', 1) AS INTEGER)"
    f" WHEN abs(d) >= 1 THEN length(split_part({_SHORT}, '.', 1)) - 1"
    f" ELSE length(ltrim(split_part({_SHORT}, '.', 2), '0')) - length(split_part({_SHORT}, '.', 2)) - 1 END"
)
_DOUBLE_TEXT = (
    "list_extract(list_transform([{0}], lambda d: CASE WHEN isnan(d) THEN 'NaN'"
    " WHEN isinf(d) THEN CASE WHEN d > 0 THEN 'Infinity' ELSE '-Infinity' END"
    " WHEN d = 0 OR (abs(d) >= 0.001 AND abs(d) < 10000000) THEN CAST(d AS VARCHAR)"
    f" ELSE CASE WHEN d < 0 THEN '-' ELSE '' END || left({_DIGITS_OF}, 1) || '.'"
    f" || CASE WHEN length({_DIGITS_OF}) > 1 THEN substring({_DIGITS_OF}, 2) ELSE '0' END"
    f" || 'E' || ({_EXPONENT}) END), 1)"
)
_TIME_TEXT = f"(strftime(make_timestamp_ns({{0}}), '%H:%M:%S.') || {_FRACTION})"
_INTERVAL_TEXT = (
    f"(CASE WHEN {{0}} < 0 THEN '-' ELSE '' END || abs({{0}}) // {NS_PER_DAY} || ' '"
    f" || strftime(make_timestamp_ns(abs({{0}}) % {NS_PER_DAY}), '%H:%M:%S.')"
    " || lpad(CAST(abs({0}) % 1000000000 AS VARCHAR), 9, '0'))"
)
_DAY = f"CASE WHEN regexp_full_match(trim({{0}}), '[0-9]{{4}}-[0-9]+-[0-9]+') THEN {{0}} ELSE {{0}} || '{REFUSED}' END"

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
    (DOUBLE, VARCHAR): _DOUBLE_TEXT,
    (DOUBLE, BOOLEAN): "({0} <> 0)",
    (BOOLEAN, INTEGER): "CAST({0} AS INTEGER)",
    (BOOLEAN, BIGINT): "CAST({0} AS BIGINT)",
    (BOOLEAN, DOUBLE): "CAST({0} AS DOUBLE)",
    (BOOLEAN, VARCHAR): "CAST({0} AS VARCHAR)",
    (VARCHAR, INTEGER): f"CAST({_DIGITS} AS INTEGER)",
    (VARCHAR, BIGINT): f"CAST({_DIGITS} AS BIGINT)",
    (VARCHAR, DOUBLE): "CAST({0} AS DOUBLE)",
    (VARCHAR, BOOLEAN): (
        "CASE WHEN {0} IS NULL THEN NULL WHEN lower({0}) IN ('t', 'true', '1') THEN true"
        " WHEN lower({0}) IN ('f', 'false', '0') THEN false ELSE CAST('\ue000' || {0} AS BOOLEAN) END"
    ),
    (VARCHAR, TIMESTAMP): "epoch_ns(CAST({0} AS TIMESTAMP_NS))",
    (VARCHAR, DATE): f"datediff('day', DATE '1970-01-01', CAST({_DAY} AS DATE))",
    (TIMESTAMP, DATE): _FLOOR_DAY,
    (TIMESTAMP, TIME): f"((({{0}}) % {NS_PER_DAY}) + {NS_PER_DAY}) % {NS_PER_DAY}",
    (TIME, VARCHAR): _TIME_TEXT,
    (TIMESTAMP, VARCHAR): f"(strftime(make_timestamp_ns({{0}}), '%Y-%m-%d %H:%M:%S.') || {_FRACTION})",
    (DATE, TIMESTAMP): f"({{0}} * {NS_PER_DAY})",
    (INTERVAL, VARCHAR): _INTERVAL_TEXT,
    (MONTHS, VARCHAR): "(CASE WHEN {0} < 0 THEN '-' ELSE '' END || abs({0}) // 12 || '-' || abs({0}) % 12)",
    (VARCHAR, TIME): "epoch_ns(CAST('1970-01-01 ' || {0} AS TIMESTAMP_NS))",
    (VARCHAR, VARBINARY): "encode({0})",
    (DATE, VARCHAR): "CAST(DATE '1970-01-01' + CAST({0} AS INTEGER) AS VARCHAR)",
}


_ERROR = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\berror\(| OVER \(")  # quoted text, too, which is left alone


def _explicitly(sql: str, source: Scalar, target: SqlType) -> str | None:
    if isinstance(source, ZonedType):
        shown = local_text(sql, source)
        made = shown if target is TIMESTAMP else _explicitly(shown, TIMESTAMP, target)
        return made and (f"({made} || {quote_string(f' {source.zone}')})" if target is VARCHAR else made)
    if source is UNKNOWN:
        return f"CAST({sql} AS {target.duckdb})"
    if JSON in {source, target}:
        return _with_json(sql, source, target)
    template = _TEMPLATES.get((source, target)) if isinstance(target, ScalarType) else None
    return None if template is None else template.replace("{0}", sql)


def _with_json(sql: str, source: SqlType, target: SqlType) -> str | None:
    return to_json(sql, source, _explicitly) if target is JSON else from_json(sql, target, _explicitly)


def cast_value(binder: Expressions, node: exp.Expr, value: Typed, target: SqlType, *, is_try: bool) -> Typed:
    """CAST, or TRY_CAST. Raises TypeMismatch if there is no such cast."""
    if target is JSON:
        sql = _with_json(value.sql, value.type, target)
    else:
        sql = by_parts(value.sql, value.type, target, _explicitly)
    if sql is None:
        raise binder.query.mismatch(node, f"Cannot cast {value.type.text} to {target.text}")
    return tried(binder, node, joined(sql, target, [value])) if is_try else joined(sql, target, [value])


def tried(binder: Expressions, node: exp.Expr, value: Typed) -> Typed:
    """The value, or null if it fails.

    DuckDB's `error` cannot be within its TRY, `refused` can. It would be computed at once where all is constant, but
    not in a lambda; no aggregate can be in one.
    """
    if value.aggregated or any(part[0] == " OVER (" for part in _ERROR.finditer(value.sql)):
        raise binder.query.unsupported(node, "TRY around an aggregate or a window function (put it in a subquery)")
    sql = _ERROR.sub(lambda part: "refused(" if part[0] == "error(" else part[0], value.sql)
    if sql != value.sql:
        sql = f"list_extract(list_transform([0], lambda z: {sql}), 1)"
    return replace(value, sql=f"TRY({sql})", constant=None, column=None)
