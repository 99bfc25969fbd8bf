"""Functions of JSON have the values that Python's module has for the same documents, and errors as Trino."""

from __future__ import annotations

import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sql_database import Database

from store.sql import SqlError
from tests.support.examples import examples

KEYS = ["a", "b", "last name", "0", "1", "é/~", 'q"']
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.sampled_from([0.5, -1.25, 1e300, 1e-7, 2.0]),
    st.sampled_from(["", "x", "1.50", "a,]b", "NaN", 'he said "1e5"', "\\", "é\n'"]),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)),
    max_leaves=8,
)
BROKEN = ["", " ", "no", "[1,]", '{"a":1,}', "NaN", '{"a": -Infinity}', "[1", '{"a"}', "01", "1 2", "'a'"]
STEPS = st.lists(st.sampled_from([*KEYS, "2"]), max_size=3)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def path_of(steps: list[str], rng: random.Random) -> str:
    """The path in one of its forms."""
    forms = {step: [f".{step}", f"[{step}]"] if re.fullmatch(r"\w+", step) else [] for step in dict.fromkeys(steps)}
    escaped = {step: step.replace("\\", "\\\\").replace('"', '\\"') for step in steps}
    return "$" + "".join(rng.choice([*forms[step], f'["{escaped[step]}"]']) for step in steps)


MISSING = object()


def at(value: object, steps: list[str]) -> object:
    """What is in a document at the end of a path."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list):
            value = value[int(step)] if step.isdigit() and int(step) < len(value) else MISSING
        else:
            return MISSING
    return value


def scalar(value: object) -> str | None:
    """As json_extract_scalar has it; numbers are as they stand in the document."""
    if value is MISSING or value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def size(value: object) -> str | None:
    return None if value is MISSING else str(len(value)) if isinstance(value, list | dict) else "0"


@examples(12)
@given(st.lists(DOCUMENTS, min_size=1, max_size=8), STEPS, st.randoms(use_true_random=False))
def test_documents_are_read_as_python_reads_them(
    empty: Database, documents: list[object], steps: list[str], rng: random.Random
) -> None:
    indent = rng.choice([None, 1])
    texts = [json.dumps(document, ensure_ascii=rng.random() < 0.5, indent=indent) for document in documents]
    rows = ", ".join(f"({n}, {quoted(text)})" for n, text in enumerate([*texts, *BROKEN]))
    path = quoted(path_of(steps, rng))

    found = empty.rows(
        f"SELECT json_extract_scalar(x, {path}), json_format(json_extract(x, {path})), json_size(x, {path}),"
        f" json_array_length(x), json_format(json_array_get(x, -2)),"
        f" try(json_format(json_parse(x))), try(is_json_scalar(x)), try(json_extract_scalar(json_parse(x), {path}))"
        f" FROM (VALUES {rows}) AS t(n, x) ORDER BY n"
    )

    assert found[len(texts) :] == [(None,) * 8] * len(BROKEN)
    for row, document in zip(found, documents, strict=False):
        here = at(document, steps)
        told = None if here is MISSING else here
        last = document[-2] if isinstance(document, list) and len(document) > 1 else None
        one, extracted, length, of_array, element, parsed, is_scalar, again = row
        assert one == scalar(here)
        assert float(str(again)) == here if isinstance(here, float) else again == scalar(here)
        assert (None if extracted is None else json.loads(str(extracted))) == told
        assert (extracted is None) == (here is MISSING)
        assert (length, of_array) == (size(here), size(document) if isinstance(document, list) else None)
        assert (None if element is None else json.loads(str(element))) == last
        assert list(json.loads(str(parsed))) == sorted(document) if isinstance(document, dict) else True
        assert json.loads(str(parsed)) == document
        assert is_scalar == str(not isinstance(document, list | dict)).lower()


@examples(6)
@given(st.lists(st.lists(st.one_of(st.none(), st.integers(-(2**60), 2**60)), max_size=4), min_size=1, max_size=4))
def test_arrays_and_maps_go_to_json_and_back(empty: Database, values: list[list[int | None]]) -> None:
    arrays = [f"ARRAY[{', '.join('NULL' if v is None else str(v) for v in value)}]" for value in values]
    for array, value in zip(arrays, values, strict=True):
        of = f"CAST({array} AS ARRAY(BIGINT))"
        text, back, through_map = empty.rows(
            f"SELECT json_format(CAST({of} AS JSON)), CAST(CAST({of} AS JSON) AS ARRAY(BIGINT)),"
            f" CAST(CAST(map(ARRAY['b', 'a'], ARRAY[{of}, NULL]) AS JSON) AS MAP(VARCHAR, ARRAY(BIGINT)))"
        )[0]

        shown = [None if v is None else str(v) for v in value]
        assert json.loads(str(text)) == value
        assert (back, through_map) == (shown, [("a", None), ("b", shown)])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("json_extract_scalar('{\"v\": 1.50, \"w\": 1e2}', '$.v')", "1.50"),
        ("json_extract_scalar('{\"v\": 12345678901234567890123}', '$.v')", "12345678901234567890123"),
        ("json_extract_scalar(CAST(NULL AS VARCHAR), '$.v')", None),
        ("json_array_contains('[1, 2.5, \"x\", true]', 1)", "true"),
        ("json_array_contains('[1, 2.5, \"x\", true]', 1.0)", "false"),
        ("json_array_contains('[1, 2.5, \"x\", true]', 2.5)", "true"),
        ("json_array_contains('[1, 2.5, \"x\", true]', 'x')", "true"),
        ("json_array_contains('[1, 2.5, \"x\", true]', false)", "false"),
        ("json_array_contains('{}', 1)", None),
        ("CAST(JSON '\"12\"' AS BIGINT)", "12"),
        ("CAST(JSON '2.5' AS INTEGER)", "3"),
        ("CAST(JSON 'true' AS DOUBLE)", "1.0"),
        ("CAST(JSON '0' AS BOOLEAN)", "false"),
        ("CAST(JSON 'null' AS VARCHAR)", None),
        ("TRY_CAST(JSON '[1]' AS BIGINT)", None),
        ("CAST('a\"b' AS JSON)", '"a\\"b"'),
        ("CAST(nan() AS JSON)", '"NaN"'),
        ("CAST(1.0E10 AS JSON)", "1.0E10"),
        ("CAST(CAST(ROW(1, 'x') AS ROW(a BIGINT, b VARCHAR)) AS JSON)", '{"a":1,"b":"x"}'),
        ("CAST(TIMESTAMP '2020-01-01' AS JSON)", '"2020-01-01 00:00:00.000000000"'),
        ('JSON \'{"a": 1, "b": 2}\' = json_parse(\'{"b":2,"a":1}\')', "true"),
        ("typeof(JSON '1')", "json"),
        ("TRY(json_parse('{\"a\": -1e400}'))", None),
    ],
)
def test_values_are_those_of_trino(empty: Database, expression: str, value: str | None) -> None:
    assert empty.value(f"SELECT {expression}") == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("json_parse('[1,]')", "Cannot convert value to JSON: '[1,]'"),
        ("json_parse('{\"a\": 1e400}')", "Cannot convert value to JSON: '{\"a\": 1e400}'"),
        (
            "json_parse('{\"a\":' || rpad('', 20000, '[') || rpad('', 20000, ']') || '}')",
            'Cannot convert value to JSON: \'{"a":[[',
        ),
        ("is_json_scalar('x')", "Invalid JSON value: 'x'"),
        ("CAST(JSON '[1]' AS BIGINT)", "Cannot cast [1] to bigint"),
        ("CAST(JSON '1' AS TIMESTAMP)", "Cannot cast json to timestamp"),
        ("json_extract('[1]', '$.*')", "line 1:28: Invalid JSON path: '$.*'"),
        ("json_extract('[1]', 'a')", "line 1:28: Invalid JSON path: 'a'"),
        ("json_extract(x, x)", "line 1:24: json_extract takes a constant path, such as '$.a[0]'"),
        ("json_format('[1]')", "Expected: json_format(json)"),
        ("max(json_parse(x))", "Unexpected parameters (json) for function max"),
        ("json_extract_scaler(x, '$')", "did you mean 'json_extract_scalar'?"),
    ],
)
def test_errors_are_those_of_trino(empty: Database, expression: str, message: str) -> None:
    with pytest.raises(SqlError, match=re.escape(message)):
        empty.ask(f"SELECT {expression} FROM (VALUES '[1]') AS t(x)")
