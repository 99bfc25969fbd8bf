"""Rows of the magnetic tier at given keys: what `apply` asks where RAM does not reach.

Parquet files name a series by its dimensions, so rows are fetched by time and matched to series here.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from store import layout
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN
from store.engine.duck import run
from store.reading.scan import magnetic_rows, magnetic_times
from store.record import Int32s, Int64s, SeriesKey

if TYPE_CHECKING:
    from store.table.table import Table

Found = tuple[int, int, int, int, int, dict[str, object]]


def find_magnetic(table: Table, series: Int32s, time_ns: Int64s) -> list[Found]:
    """Rows there at any of these keys: (series, time, version, stream, sequence, measures by name)."""
    wanted = {(int(s), int(t)) for s, t in zip(series, time_ns, strict=True)}
    times = np.unique(time_ns)
    from_ns, to_ns = int(times[0]), int(times[-1]) + 1
    magnetic = table.magnetic
    files = [
        file
        for file in magnetic.version.files
        if file.to_ns >= from_ns and file.from_ns < to_ns and _any_within(times, file.from_ns, file.to_ns)
    ]
    if not files:
        return []
    dimensions, measures = list(table.columns.dimensions.values()), table.measures_now()
    columns = [*dimensions, MEASURE_NAME_COLUMN, TIME_COLUMN, *table.columns.measures.values()]
    listed = ", ".join(str(int(t)) for t in times)
    exact = f'(epoch_us("{layout.TIME}") * 1000 + "{layout.TIME_REST}") IN ({listed})'
    where = " AND ".join([*magnetic_times(from_ns, to_ns), exact])
    cursor = table.duck.cursor()
    try:
        sql = magnetic_rows(magnetic.data.relation(cursor, files, columns), columns, where)
        made = "".join(f", {column.expression} AS {column.quoted}" for column in measures if column.expression)
        sql = f"SELECT *{made} FROM ({sql})" if made else sql
        rows: list[dict[str, Any]] = run(cursor, sql).to_pylist()
    finally:
        cursor.close()
    found: list[Found] = []
    for row in rows:
        pairs = sorted((c.name, row[c.physical]) for c in dimensions if row[c.physical] is not None)
        known = table.index.find(SeriesKey(tuple(pairs), row[layout.MEASURE_NAME]))
        if known is not None and (known, row[layout.TIME_NS]) in wanted:
            values = {c.name: row[c.physical] for c in measures if row[c.physical] is not None}
            found.append(
                (known, row[layout.TIME_NS], row[layout.VERSION], row[layout.STREAM], row[layout.SEQUENCE], values)
            )
    return found


def _any_within(times: Int64s, from_ns: int, to_ns: int) -> bool:
    return int(np.searchsorted(times, from_ns)) < int(np.searchsorted(times, to_ns, side="right"))
