"""Compares the answers of two servers to one statement. Pure.

Rows have an order only if the statement gives them one. Doubles are equal within a relative tolerance, since sums
depend on the order in which they are made.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.operations.migrate.asking import Result

TOLERANCE = 1e-9
SHOWN = 10  # differences of each side
_ORDERED = re.compile(r"\border\s+by\b[^()]*\Z", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|NaN|Infinity)")


def differences(sql: str, first: Result, second: Result, tolerance: float = TOLERANCE) -> list[str]:
    """Lines that say how they differ: `-` what only the first has, `+` what only the second has; none if they agree."""
    if first.columns != second.columns:
        return [f"- columns {_columns(first)}", f"+ columns {_columns(second)}"]
    is_ordered = _ORDERED.search(sql) is not None
    rows = [list(of.rows) if is_ordered else sorted(of.rows, key=_key) for of in (first, second)]
    if len(rows[0]) == len(rows[1]) and all(
        _agree(one, other, tolerance) for one, other in zip(rows[0], rows[1], strict=True)
    ):
        return []
    only = [_without(rows[0], rows[1]), _without(rows[1], rows[0])]
    if not any(only):
        return ["the rows are the same, in another order"]
    found = []
    for sign, of in zip("-+", only, strict=True):
        found += [f"{sign} {_shown(row)}" for row in of[:SHOWN]]
        found += [f"{sign} … {len(of) - SHOWN} more rows"] if len(of) > SHOWN else []
    return found


def _agree(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(_agree(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if one == other:
        return True
    if one is None or other is None or isinstance(one, tuple) or isinstance(other, tuple):
        return False
    if not (_NUMBER.fullmatch(one) and _NUMBER.fullmatch(other)) or not ({".", "e", "E"} & set(one + other)):
        return False
    return math.isclose(float(one), float(other), rel_tol=tolerance)


def _key(value: Any) -> str:
    """A text by which rows that agree come to the same place."""
    if isinstance(value, tuple):
        return "\x00".join(map(_key, value))
    if value is not None and _NUMBER.fullmatch(value) and {".", "e", "E"} & set(value):
        return f"{float(value):.6g}"
    return "\x01" if value is None else str(value)


def _without(rows: Sequence[tuple[Any, ...]], others: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    left = Counter(map(_key, others))
    found = []
    for row in rows:
        key = _key(row)
        if left[key]:
            left[key] -= 1
        else:
            found.append(row)
    return found


def _columns(result: Result) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in result.columns)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " | ".join(_shown(inner) if not isinstance(inner, tuple) else f"({_shown(inner)})" for inner in value)
    return "null" if value is None else str(value)
