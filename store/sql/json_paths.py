"""Trino's paths into JSON, `$.store.book[0]["last name"]`, as JSON pointers (RFC 6901), which DuckDB takes.

A step is a name of an object, or the place of an element of an array, from 0; as in Trino, `$.0` and `$[0]` are the
same. There are no wildcards, filters or places from the end.
"""

from __future__ import annotations

import re

_STEP = r'\.([\w:]+)|\[(\w+)\]|\["((?:[^"\\]|\\["\\])*)"\]'
_STEPS = re.compile(_STEP)
_PATH = re.compile(rf"\$(?:{_STEP})*")
ROOT = "$"


def pointer(path: str) -> str:
    """The pointer of a path. Raises ValueError."""
    if not _PATH.fullmatch(path):
        raise ValueError(f"Invalid JSON path: '{path}'")
    steps = [name or place or re.sub(r"\\(.)", r"\1", quoted) for name, place, quoted in _STEPS.findall(path)]
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps) or ROOT
