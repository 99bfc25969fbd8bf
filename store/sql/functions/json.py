"""Functions of JSON: Trino's, as Timestream has none.

A value of the type JSON is its text, without spaces, and with the keys of objects in order where `json_parse` made
it. So every function takes a varchar, too. DuckDB reads JSON as Trino does, except that it takes NaN, infinities and a
comma before a closing bracket; and it writes 1.50 as 1.5, where `json_extract_scalar` gives what stands there.

`json_sorted` is a function of ours in DuckDB (`store.engine.vectorised`).
"""

from __future__ import annotations

from store.sql.functions.function import Family, Overload, Parameter, family, scalar
from store.sql.types import BIGINT, BOOLEAN, DOUBLE, JSON, VARCHAR

_TEXT = r'"(?:[^"\\]|\\.)*"'
_NOT_JSON = r"'(?i)nan|inf|,\s*[\]}]'"  # outside of texts
_WITHOUT_TEXTS = f"regexp_replace({{0}}, '{_TEXT}', '0', 'g')"
_IS_UNFIT = f"(regexp_matches({{0}}, {_NOT_JSON}) AND regexp_matches({_WITHOUT_TEXTS}, {_NOT_JSON}))"
_IF_JSON = f"CASE WHEN json_valid({{0}}) AND NOT {_IS_UNFIT} THEN {{0}} END"

# each number as a text: between marks that no JSON has, of which two are around nothing after a text
_MARK = "chr(1)"
_MARKED = rf"regexp_replace({{0}}, '({_TEXT})|(-?[0-9][0-9.eE+-]*)', '\1' || {_MARK} || '\2' || {_MARK}, 'g')"
_NUMBERS_AS_TEXTS = f"replace(replace({_MARKED}, {_MARK} || {_MARK}, ''), {_MARK}, '\"')"
_SCALAR = (
    "CASE json_type({0}, {1}) WHEN 'ARRAY' THEN NULL WHEN 'OBJECT' THEN NULL"
    f" WHEN 'DOUBLE' THEN json_extract_string({_NUMBERS_AS_TEXTS}, {{1}}) ELSE json_extract_string({{0}}, {{1}}) END"
)
_SIZE = (
    "CASE json_type({0}, {1}) WHEN 'ARRAY' THEN CAST(json_array_length({0}, {1}) AS BIGINT)"
    " WHEN 'OBJECT' THEN len(json_keys({0}, {1})) ELSE CASE WHEN json_type({0}, {1}) IS NOT NULL THEN 0 END END"
)
_PLACE = "'$[' || CASE WHEN {1} < 0 THEN '#' ELSE '' END || {1} || ']'"
_ELEMENT = f"nullif(CAST(json_extract({{0}}, {_PLACE}) AS VARCHAR), 'null')"
_IN_ORDER = "CASE WHEN contains({0}, '{') THEN nullif(json_sorted({0}), '') ELSE CAST(json({0}) AS VARCHAR) END"
_NO_JSON = "Cannot convert value to JSON: "


def _of_json(value: str, refusal: str | None = None) -> str:
    """`value` of {0}; null if it is no JSON, or the error.

    DuckDB's functions fail on what is no JSON, also where a CASE would not ask them.
    """
    otherwise = "" if refusal is None else f" WHEN {{0}} IS NOT NULL THEN {_error(refusal)}"
    made = f"CASE WHEN j IS NOT NULL THEN {value.replace('{0}', 'j')}{otherwise} END"
    return f"list_extract(list_transform([{_IF_JSON}], lambda j: {made}), 1)"


def _error(refusal: str) -> str:
    """The error that says {0}."""
    return f"error('{refusal}''' || {{0}} || '''')"


def _of_array(value: str) -> str:
    return _of_json(f"CASE WHEN json_type({{0}}) = 'ARRAY' THEN {value} END")


def _of_both(others: tuple[Parameter, ...], result: Parameter, template: str) -> tuple[Overload, ...]:
    return tuple(Overload((kind, *others), result, template, once=True) for kind in (JSON, VARCHAR))


def _contains(kind: Parameter, condition: str) -> tuple[Overload, ...]:
    """Whether an array has an element `e` that fulfils a condition."""
    elements = f"list_transform(json_extract({{0}}, '$[*]'), lambda e: coalesce({condition}, false))"
    found = _of_array(f"coalesce(list_bool_or({elements}), false)")
    return _of_both((kind,), BOOLEAN, f"CASE WHEN {{1}} IS NOT NULL THEN {found} END")


_PARSED = f"coalesce({_IN_ORDER}, {_error(_NO_JSON)})"
_IS_WHOLE = "json_type(e) IN ('BIGINT', 'UBIGINT')"
PATHS: Family = family(
    scalar("json_extract", *_of_both((VARCHAR,), JSON, _of_json("CAST(json_extract({0}, {1}) AS VARCHAR)"))),
    scalar("json_extract_scalar", *_of_both((VARCHAR,), VARCHAR, _of_json(_SCALAR))),
    scalar("json_size", *_of_both((VARCHAR,), BIGINT, _of_json(_SIZE))),
)
"""Those whose second argument is a path; here it is a pointer."""

JSONS: Family = family(
    scalar("json_parse", Overload((VARCHAR,), JSON, _of_json(_PARSED, _NO_JSON), once=True)),
    scalar("json_format", Overload((JSON,), VARCHAR, "{0}")),
    scalar(
        "is_json_scalar",
        *_of_both((), BOOLEAN, _of_json("json_type({0}) NOT IN ('ARRAY', 'OBJECT')", "Invalid JSON value: ")),
    ),
    scalar("json_array_length", *_of_both((), BIGINT, _of_array("CAST(json_array_length({0}) AS BIGINT)"))),
    scalar("json_array_get", *_of_both((BIGINT,), JSON, _of_array(_ELEMENT))),
    scalar(
        "json_array_contains",
        *_contains(BOOLEAN, "json_type(e) = 'BOOLEAN' AND CAST(e AS VARCHAR) = CAST({1} AS VARCHAR)"),
        *_contains(BIGINT, f"{_IS_WHOLE} AND CAST(e AS VARCHAR) = CAST({{1}} AS VARCHAR)"),
        *_contains(DOUBLE, "json_type(e) = 'DOUBLE' AND TRY_CAST(CAST(e AS VARCHAR) AS DOUBLE) = {1}"),
        *_contains(VARCHAR, "json_type(e) = 'VARCHAR' AND json_extract_string(e, '$') = {1}"),
    ),
)
