"""Errors of pydantic as messages of ours: the place, the key path, the value, and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.config import keys
from pipeline.config.problems import Problems
from store.values.yaml_text import KeyPath, Problem

_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping of its settings",
    "path_type": "a path",
    "string_type": "text; put a number, true, false or a date in quotes to make it text",
    "tuple_type": "a list",
}


def problems_of(error: ValidationError) -> Iterator[Problem]:
    """Everything that is wrong, each with the path of the setting from the root of the file."""
    for details in error.errors(include_url=False):
        path: KeyPath = details["loc"]
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, Problems):
            for problem in cause.problems:
                yield Problem((*path, *problem.path), problem.message)
        elif isinstance(cause, ValueError):
            yield Problem(path, str(cause))
        else:
            yield Problem(path, _message(details, path))


def _message(details: ErrorDetails, path: KeyPath) -> str:
    kind = details["type"]
    if kind == "extra_forbidden":
        return keys.wrong_key(str(path[-1]), path[:-1], keys.keys_of(path[:-1]))
    if kind == "missing":
        return "is required"
    if kind == "literal_error":
        return f"is {_shown(details['input'], path)}; allowed: {details['ctx']['expected'].replace('False', 'false')}"
    if kind in _EXPECTED:
        return f"is {_shown(details['input'], path)}; it is {_EXPECTED[kind]}"
    if kind in ("string_too_short", "too_short"):
        return "is empty; it has at least one " + ("character" if kind == "string_too_short" else "entry")
    return f"is {_shown(details['input'], path)}: {details['msg']}"


def _shown(value: object, path: KeyPath) -> str:
    """The value, unless it is a secret or may hold one."""
    if value is None:
        return "empty"
    if keys.is_secret(path):
        return "not shown, as it is a secret"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return json.dumps(value) if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
