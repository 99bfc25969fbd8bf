"""A rollup table: aggregates of the rows of another one, by series and bin. Pure.

It has a row for each series and bin, whose time is the start of the bin, and columns `<measure>_<aggregate>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

COUNT, TOTAL, LEAST, GREATEST = "count", "sum", "min", "max"
AGGREGATES: Mapping[str, str] = {"avg": "avg", COUNT: "count", TOTAL: "sum", LEAST: "min", GREATEST: "max"}
"""The aggregates that it may have, and the SQL function of each."""


@dataclass(frozen=True, slots=True)
class RollupTable:
    """A rollup table of the table `source`, in each account that has this. Both are (database, table)."""

    source: tuple[str, str]
    target: tuple[str, str]
    bin_ns: int
    aggregates: tuple[str, ...]
    retention_ns: int


def column_name(measure: str, aggregate: str) -> str:
    """The name of the column of a rollup table."""
    return f"{measure}_{aggregate}"
