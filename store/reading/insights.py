"""What a statement has read of its tables, as Timestream's QueryInsights tell it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from store.reading.borrowed import Read


class Exported(msgspec.Struct, frozen=True):
    """What an UNLOAD has written."""

    partitions: int
    rows: int
    size_bytes: int


class Insights(msgspec.Struct, frozen=True):
    """The number of tables, and of the one that was read over most time its database, name, and that time.

    scanned_bytes  of the files and rows that were read
    exported       None: it was no UNLOAD
    """

    tables: int = 0
    widest: tuple[str, str] | None = None
    range_ns: int = 0
    scanned_bytes: int = 0
    exported: Exported | None = None


def insights_of(reads: Sequence[Read], exported: Exported | None = None) -> Insights:
    """Of one statement."""
    if not reads:
        return Insights(exported=exported)
    widest = max(reads, key=lambda read: read.range_ns)
    of = widest.table
    scanned = sum(read.size_bytes + read.row_bytes for read in reads)
    return Insights(len({read.table for read in reads}), (of.database, of.table), widest.range_ns, scanned, exported)
