"""The fields of a payload: JSON decoded and flattened, or the reason why it cannot be.

A JSON object is one body; an array of objects is one body each; a bare number, boolean or text is a body with the one
field `value`. Bare words that are not JSON (`ON`, `NaN`) are refused. In an object, null is absent, a nested object
flattens with `_`, and of two fields that come to one name the last one that is not null counts. JSON as in RFC 8259;
no NaN, no infinities.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

import orjson

from pipeline.dead_letter import Reason
from pipeline.errors import PayloadError

Scalar: TypeAlias = str | int | float | bool
Fields: TypeAlias = dict[str, Scalar]

VALUE = "value"  # the field of a single-value body
MAX_DEPTH = 16  # objects inside objects; what flattens deeper has no name that anyone would ask for
_SHOWN = 80  # how much of a value a message shows


def bodies(payload: bytes) -> list[Fields]:
    """The bodies of a payload, at least one. Raises PayloadError."""
    value = _decode(payload)
    if isinstance(value, dict):
        return [flatten(value)]
    if not isinstance(value, list):
        return [{} if value is None else {VALUE: value}]
    if not value:
        raise PayloadError(Reason.NO_MEASURES, "an empty array")
    for number, element in enumerate(value):
        if not isinstance(element, dict):
            raise PayloadError(
                Reason.ARRAY_INSIDE, f"element {number} of the array is {shown(element)}; an array holds objects"
            )
    return [flatten(element) for element in value]


def flatten(body: Mapping[str, Any]) -> Fields:
    """The fields of a JSON object under flat names, without nulls. Raises PayloadError."""
    fields: Fields = {}
    _flatten_into(fields, body, "", 1)
    return fields


def _flatten_into(fields: Fields, body: Mapping[str, Any], prefix: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise PayloadError(Reason.TOO_DEEP, f"{shown(prefix)}: more than {MAX_DEPTH} objects inside each other")
    for key, value in body.items():
        name = prefix + key
        if isinstance(value, dict):
            _flatten_into(fields, value, name + "_", depth + 1)
        elif isinstance(value, list):
            raise PayloadError(Reason.ARRAY_INSIDE, f"{shown(name)} is an array; a measure is a single value")
        elif value is not None:
            fields.pop(name, None)  # so that it stands where it was last seen
            fields[name] = value


def _decode(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        _refuse(payload, error)


def _refuse(payload: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    """Raise PayloadError with the reason why orjson refused this payload."""
    if not payload.strip():
        raise PayloadError(Reason.EMPTY_PAYLOAD, f"{len(payload)} bytes and nothing in them") from error
    try:
        text = payload.decode()
    except UnicodeDecodeError as utf8_error:
        raise PayloadError(Reason.INVALID_UTF8, str(utf8_error)) from error
    if "depth limit" in error.msg:
        raise PayloadError(Reason.TOO_DEEP, f"more than 1024 levels: {error}") from error
    # Python's reader takes NaN and numbers of any size, and hands them to these functions, which raise the reason. What
    # is not JSON for it either is told in orjson's words, which say where.
    with contextlib.suppress(ValueError, RecursionError):
        json.loads(text, parse_constant=_not_finite, parse_float=_finite, parse_int=_finite)
    raise PayloadError(Reason.INVALID_JSON, f"{error}: {shown(text)}") from error


def _not_finite(constant: str) -> NoReturn:
    raise PayloadError(Reason.NOT_FINITE, f"{constant} is not JSON, and no value of a measure")


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise PayloadError(Reason.NOT_FINITE, f"{shown(number)} is beyond a double (1.8e308)")
    return value


def shown(value: object) -> str:
    """`value` as an error message shows it: not for ever."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
