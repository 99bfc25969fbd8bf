"""How averages read rollup tables: for bins before the first that the table of the rows has wholly.

For all others that table is as fast, and newer.
"""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from store.catalog.rollup_table import COUNT, GREATEST, LEAST, TOTAL, RollupTable, column_name
from store.catalog.schema import Column
from store.engine.duck import quote_text
from store.errors import UnknownDatabase, UnknownTable
from store.memory.rollup import NOTHING, Sums
from store.reading.bins import Bins
from store.reading.snapshot import Snapshot
from store.record import Int64s, TableId

_NEEDED = (COUNT, TOTAL, LEAST, GREATEST)
_EXPIRING_NS = 600_000_000_000  # rows that are to expire so soon are not counted on


def fits(rollup: RollupTable, bins: Bins, from_ns: int, to_ns: int) -> bool:
    """Whether averages by these bins can be made of the rows of a rollup table."""
    return set(_NEEDED) <= set(rollup.aggregates) and bins.hold_whole(rollup.bin_ns, from_ns, to_ns)


def first_whole_bin_ns(now_ns: int, retention_ns: int, bin_ns: int) -> int:
    """The start of the first bin of which no row has expired, or will soon."""
    return -(-max(now_ns - retention_ns + _EXPIRING_NS, 0) // bin_ns) * bin_ns


def sums_of(
    snapshot: Snapshot,
    target: TableId,
    zones: Sequence[str],
    measures: Sequence[str],
    bins: Bins,
    from_ns: int,
    to_ns: int,
) -> Iterator[tuple[Int64s, Int64s, Sums]]:
    """For each measure the places of zones, the starts of bins, and the sums of rows in [from, to) of a rollup table.

    Raises what `Snapshot.source` and `Snapshot.execute` raise, except that a table that is not there has no rows.
    """
    try:
        columns = {column.name: column for column in snapshot.schema(target.database, target.table).columns}
    except (UnknownDatabase, UnknownTable):
        columns = {}
    zone = next((column for column in columns.values() if column.kind == "zone"), None)
    source = None
    for measure in measures:
        of = [columns.get(column_name(measure, aggregate)) for aggregate in _NEEDED]
        known = [column for column in of if column is not None]
        if zone is None or len(known) < len(of) or from_ns >= to_ns:
            yield np.zeros(0, np.int64), np.zeros(0, np.int64), NOTHING
            continue
        source = source or snapshot.source(target, time_from_ns=from_ns, time_to_ns=to_ns)
        yield _sums(snapshot, source, zone, zones, known, bins.sql("t.time_ns", from_ns, to_ns))


def _sums(
    snapshot: Snapshot, source: str, zone: Column, zones: Sequence[str], columns: Sequence[Column], start: str
) -> tuple[Int64s, Int64s, Sums]:
    count, total, least, greatest = (f"t.{column.quoted}" for column in columns)
    listed = ", ".join(quote_text(name) for name in zones)
    found = snapshot.execute(
        f"SELECT t.{zone.quoted}, {start}, sum({count})::BIGINT, sum({total})::DOUBLE, min({least})::DOUBLE, "
        f"max({greatest})::DOUBLE FROM {source} AS t WHERE t.{zone.quoted} IN ({listed}) AND {count} > 0 GROUP BY 1, 2"
    )
    places = {name: place for place, name in enumerate(zones)}
    place = np.array([places[name] for name in found.column(0).to_pylist()], np.int64)
    starts, counts = (found.column(number).to_numpy().astype(np.int64) for number in (1, 2))
    totals, lows, highs = (found.column(number).to_numpy().astype(np.float64) for number in (3, 4, 5))
    return place, starts, Sums(counts, totals, lows, highs)
