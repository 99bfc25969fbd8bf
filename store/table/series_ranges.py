"""Ranges of series, in the order of their dimensions, as conditions on rows of files. Pure.

A condition has two parts: the bounds of each dimension within the range, by which row groups are pruned, and the exact
one. Absent dimensions are last, as in DuckDB's ORDER BY.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from store.engine.duck import quote_text

Key: TypeAlias = tuple[str | None, ...]


def ranges(counts: Sequence[int], most_rows: int) -> list[tuple[int, int]]:
    """Series first … end - 1 of each range, given the rows of each: as many as have at most `most_rows`, or one."""
    found, first, rows = [], 0, 0
    for place, count in enumerate(counts):
        if place > first and rows + count > most_rows:
            found.append((first, place))
            first, rows = place, 0
        rows += count
    return [*found, (first, len(counts))]


def range_condition(columns: Sequence[str], keys: Sequence[Key], first: int, end: int) -> str:
    """The condition for rows of the series `keys[first:end]`, given all keys in order and their quoted columns."""
    conditions = []
    for column, values in zip(columns, zip(*keys[first:end], strict=True), strict=True):
        if None not in values:
            least, most = min(values), max(values)
            conditions.append(f"{column} BETWEEN {quote_text(least)} AND {quote_text(most)}")
    if first > 0:
        conditions.append(_not_before(columns, keys[first]))
    if end < len(keys):
        conditions.append(f"NOT {_not_before(columns, keys[end])}")
    return " AND ".join(conditions) or "true"


def _not_before(columns: Sequence[str], key: Key) -> str:
    """Whether a row's series is this one or a later one: never null."""
    column, value = columns[0], key[0]
    rest = _not_before(columns[1:], key[1:]) if len(columns) > 1 else "true"
    if value is None:
        return f"({column} IS NULL AND {rest})"
    text = quote_text(value)
    return f"({column} IS NULL OR {column} > {text} OR ({column} = {text} AND {rest}))"
