"""CAST from and to JSON, as in Trino: scalars, and arrays, maps with texts as keys, and rows of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from store.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    VARCHAR,
    ArrayType,
    MapType,
    RowType,
    ScalarType,
    SqlType,
    TimeSeriesType,
    in_order_of_keys,
)
from store.values.sql_text import quote_string

Convert: TypeAlias = Callable[[str, ScalarType, ScalarType], str | None]
"""Converts a scalar to another type by its text."""


def to_json(sql: str, kind: SqlType, text: Convert, depth: int = 0) -> str | None:
    """DuckDB's text for a value as JSON; None if it cannot be that. `text` converts a scalar to a varchar."""
    part = f"e{depth}"
    match kind:
        case ScalarType.JSON:
            return sql
        case ScalarType.UNKNOWN:
            return f"CAST({sql} AS VARCHAR)"
        case ScalarType.VARCHAR:
            return f"CAST(to_json({sql}) AS VARCHAR)"
        case ScalarType.DOUBLE:
            quoted = f"CASE WHEN isfinite({part}) THEN '' ELSE '\"' END"
            return _once(sql, part, f"{quoted} || {text(part, DOUBLE, VARCHAR)} || {quoted}")
        case ScalarType.TIMESTAMP | ScalarType.DATE:
            return f"('\"' || {text(sql, kind, VARCHAR)} || '\"')"
        case ScalarType():
            return text(sql, kind, VARCHAR) if kind in {BOOLEAN, INTEGER, BIGINT} else None
        case ArrayType():
            return _listed(sql, part, _or_null(to_json(part, kind.element, text, depth + 1)), "[]")
        case TimeSeriesType():
            return to_json(sql, kind.rows, text, depth)
        case MapType() if kind.key is VARCHAR:
            value = _or_null(to_json(f"{part}.f1", kind.value, text, depth + 1))
            return _listed(sql, part, value and f"to_json({part}.f0) || ':' || {value}", "{}")
        case RowType():
            return _row(sql, kind, text, depth)
    return None


def _row(sql: str, kind: RowType, text: Convert, depth: int) -> str | None:
    part = f"e{depth}"
    fields = [
        _or_null(to_json(f"struct_extract({part}, 'f{place}')", field, text, depth + 1))
        for place, (_, field) in enumerate(kind.fields)
    ]
    named = [
        f"{quote_string(_name(name))} || {field}" for (name, _), field in zip(kind.fields, fields, strict=True) if field
    ]
    return _once(sql, part, f"'{{' || {' || chr(44) || '.join(named)} || '}}'") if len(named) == len(fields) else None


def _name(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}":'


def _once(sql: str, part: str, made: str) -> str:
    return f"list_extract(list_transform([{sql}], lambda {part}: CASE WHEN {part} IS NOT NULL THEN {made} END), 1)"


def _or_null(json: str | None) -> str | None:
    return json and f"coalesce({json}, 'null')"


def _listed(sql: str, part: str, element: str | None, brackets: str) -> str | None:
    texts = f"array_to_string(list_transform({sql}, lambda {part}: {element}), ',')"
    return element and f"('{brackets[0]}' || {texts} || '{brackets[1]}')"


def from_json(sql: str, kind: SqlType, scalar: Convert, depth: int = 0) -> str | None:
    """DuckDB's text for JSON as a value of this type, null for JSON's null; None if there is no such cast."""
    part, whole = f"e{depth}", f"j{depth}"
    is_of, made = "", None
    match kind:
        case ScalarType.JSON:
            return sql
        case ScalarType():
            is_of, made = "NOT IN ('ARRAY', 'OBJECT')", _scalar(whole, kind, scalar)
        case ArrayType():
            element = from_json(f"CAST({part} AS VARCHAR)", kind.element, scalar, depth + 1)
            elements = f"list_transform(json_extract({whole}, '$[*]'), lambda {part}: {element})"
            is_of, made = "= 'ARRAY'", element and elements
        case MapType() if kind.key is VARCHAR:
            value = from_json(f"CAST(json_extract({whole}, '$.*')[{part}i] AS VARCHAR)", kind.value, scalar, depth + 1)
            rows = f"list_transform(json_keys({whole}), lambda {part}, {part}i: {{'f0': {part}, 'f1': {value}}})"
            is_of, made = "= 'OBJECT'", value and in_order_of_keys(rows)
    if made is None:
        return None
    refused = f"error('Cannot cast ' || {whole} || ' to {kind.text}')"
    checked = (
        f"CASE WHEN json_type({whole}) = 'NULL' THEN NULL WHEN json_type({whole}) {is_of} THEN {made}"
        f" WHEN {whole} IS NOT NULL THEN {refused} END"
    )
    return f"list_extract(list_transform([{sql}], lambda {whole}: {checked}), 1)"


def _scalar(json: str, kind: ScalarType, scalar: Convert) -> str | None:
    """A number, text or boolean of JSON as this type."""
    text = f"json_extract_string({json}, '$')"
    if kind is VARCHAR:
        return text
    if kind not in {BOOLEAN, INTEGER, BIGINT, DOUBLE}:
        return None
    number = f"CAST({text} AS DOUBLE)" if kind is DOUBLE else scalar(f"CAST({text} AS DOUBLE)", DOUBLE, kind)
    whole = f"CAST({text} AS BIGINT)" if kind is BIGINT else scalar(f"CAST({text} AS BIGINT)", BIGINT, kind)
    truth = f"({text} = 'true')" if kind is BOOLEAN else scalar(f"({text} = 'true')", BOOLEAN, kind)
    return (
        f"CASE json_type({json}) WHEN 'DOUBLE' THEN {number} WHEN 'BIGINT' THEN {whole} WHEN 'UBIGINT' THEN {whole}"
        f" WHEN 'BOOLEAN' THEN {truth} ELSE {scalar(text, VARCHAR, kind)} END"
    )
