"""Selects the files of a table to be merged. Pure.

A commit takes 15 ms while a table has fewer than 250 live files and 72 ms at 1,000, and a query opens each file that it
reads. So files are merged in size classes, twenty of one class into one of the next: for a table that is flushed every
30 s these are groups of ten minutes, then of hours. A past date without new files is merged into one file.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from store.magnetic.parquet import DataFile

FANOUT = 20
MOST_ROWS = 64_000_000  # larger files are not merged
MOST_BYTES = 1 << 30
QUIET_NS = 6 * 3_600_000_000_000
_DAY_NS = 86_400_000_000_000


def plan(files: Sequence[DataFile], now_ns: int, written_ns: Callable[[DataFile], int]) -> list[list[DataFile]]:
    """Groups of files, each of one date, to be merged now; `written_ns` is called only for files of past dates."""
    by_date: dict[str, list[DataFile]] = defaultdict(list)
    for file in files:
        by_date[file.date].append(file)
    groups = []
    for of_date in by_date.values():
        if len(of_date) > 1:
            groups += _closed(of_date, now_ns, written_ns) or _tiers(of_date)
    return groups


def tier(rows: int) -> int:
    """The size class of a file."""
    return int(math.log(max(rows, 1), FANOUT))


def _tiers(files: Sequence[DataFile]) -> list[list[DataFile]]:
    by_tier: dict[int, list[DataFile]] = defaultdict(list)
    for file in sorted(files, key=lambda file: (file.to_ns, file.path)):
        by_tier[tier(file.rows)].append(file)
    groups = []
    for level in sorted(by_tier):
        members = by_tier[level]
        for first in range(0, len(members) - FANOUT + 1, FANOUT):
            group = members[first : first + FANOUT]
            if _fits(group):
                groups.append(group)
    return groups


def _closed(files: Sequence[DataFile], now_ns: int, written_ns: Callable[[DataFile], int]) -> list[list[DataFile]]:
    if max(file.to_ns for file in files) // _DAY_NS >= (now_ns - QUIET_NS) // _DAY_NS:
        return []
    small = [file for file in files if _fits([file])]
    if len(small) < 2 or not _fits(small) or max(map(written_ns, files)) > now_ns - QUIET_NS:
        return []
    return [sorted(small, key=lambda file: (file.to_ns, file.path))]


def _fits(group: Sequence[DataFile]) -> bool:
    return sum(file.rows for file in group) < MOST_ROWS and sum(file.size_bytes for file in group) < MOST_BYTES
