"""What a statement has read of its tables, as Timestream's QueryInsights tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from store.reading.borrowed import Read
from store.record import TableId

METERED_LEAST_BYTES = 10_000_000  # of a query, as in the service


class Exported(msgspec.Struct, frozen=True):
    """What an UNLOAD has written."""

    partitions: int
    rows: int
    size_bytes: int


class Insights(msgspec.Struct, frozen=True):
    """The number of tables, and of the one that was read over most time its database, name, and that time.

    scanned_bytes  of the files and rows that were read
    exported       None: it was no UNLOAD
    scans          of these bytes, by database and table
    """

    tables: int = 0
    widest: tuple[str, str] | None = None
    range_ns: int = 0
    scanned_bytes: int = 0
    exported: Exported | None = None
    scans: tuple[tuple[str, str, int], ...] = ()


def insights_of(reads: Sequence[Read], exported: Exported | None = None) -> Insights:
    """Of one statement."""
    if not reads:
        return Insights(exported=exported)
    widest = max(reads, key=lambda read: read.range_ns)
    of = widest.table
    scans: Counter[TableId] = Counter()
    for read in reads:
        scans[read.table] += read.size_bytes + read.row_bytes
    by_table = tuple((table.database, table.table, scanned) for table, scanned in scans.items())
    return Insights(len(scans), (of.database, of.table), widest.range_ns, scans.total(), exported, by_table)
