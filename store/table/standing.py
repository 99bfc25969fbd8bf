"""Looks up the stored rows of given keys in both tiers, before the rows of a batch are judged.

Parquet files identify a series by its dimensions, so their rows are selected by time, and matched to series here.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, Column
from store.engine.duck import run
from store.memory.tier import KEY
from store.reading.scan import magnetic_rows, magnetic_times
from store.record import Int32s, Int64s, SeriesKey
from store.table.core import Core
from store.table.deletions import without_deleted
from store.table.incoming import NOTHING_STANDS, Standing
from store.table.series_state import Places
from store.values.combinations import combinations

_TIMES = "times_to_find"


def find_standing(core: Core, series: Int32s, time_ns: Int64s) -> Standing:
    """The stored row of each of these keys: of several the highest version, and of these the last one."""
    if not len(series):
        return NOTHING_STANDS
    core.memory.insert_head(core.now_ns)
    given = core.columns.measures_now()
    found = core.memory.find(series, time_ns, given)
    early = np.flatnonzero(time_ns < core.memory.whole_from_ns)
    if len(early):
        found += _find_magnetic(core, series, time_ns, early, given)
    rows = pa.concat_tables(found, promote_options="default") if found else None
    if rows is not None and rows.num_rows and core.deletions:
        rows = without_deleted(core, series, time_ns, rows)
    if rows is None or not rows.num_rows:
        return NOTHING_STANDS
    key = rows[KEY].to_numpy()
    order = np.lexsort(
        tuple(rows[name].to_numpy() for name in (layout.SEQUENCE, layout.PARTITION, layout.VERSION, KEY))
    )
    newest = order[np.append(key[order][1:] != key[order][:-1], True)]
    rows = rows.take(pa.array(newest)).combine_chunks()
    measures = {
        column.name: rows[column.physical].combine_chunks()
        for column in given
        if column.physical in rows.column_names and rows[column.physical].null_count < rows.num_rows
    }
    return Standing(key[newest], rows[layout.VERSION].to_numpy(), measures, core.columns.to_store(measures))


def _find_magnetic(
    core: Core, series: Int32s, time_ns: Int64s, early: Places, given: Sequence[Column]
) -> list[pa.Table]:
    """The rows in Parquet files with any of the keys `early`, in the form of `MemoryTier.find`."""
    times = np.unique(time_ns[early])
    from_ns, to_ns = int(times[0]), int(times[-1]) + 1
    magnetic = core.magnetic
    files = [
        file
        for file in magnetic.version.files
        if file.to_ns >= from_ns and file.from_ns < to_ns and _any_within(times, file.from_ns, file.to_ns)
    ]
    if not files:
        return []
    stored = core.columns.stored
    dimensions = list(stored.dimensions.values())
    columns = [*dimensions, MEASURE_NAME_COLUMN, TIME_COLUMN, *stored.measures.values()]
    exact = f'(epoch_us("{layout.TIME}") * 1000 + "{layout.TIME_REST}") IN (SELECT "{layout.TIME_NS}" FROM {_TIMES})'
    where = " AND ".join([*magnetic_times(from_ns, to_ns), exact])
    cursor = core.duck.cursor()
    try:
        cursor.register(_TIMES, pa.table({layout.TIME_NS: times}))
        sql = magnetic_rows(magnetic.data.relation(cursor, files, columns), columns, where)
        made = "".join(f", {column.expression} AS {column.quoted}" for column in given if column.expression)
        rows = run(cursor, f"SELECT *{made} FROM ({sql})")
    finally:
        cursor.close()
    places, found = _with_keys(core, rows, dimensions, times, series[early], time_ns[early])
    rows = rows.take(pa.array(places))
    kept = [layout.VERSION, layout.PARTITION, layout.SEQUENCE, *(column.physical for column in given)]
    return [rows.select(kept).append_column(KEY, pa.array(early[found]))]


def _with_keys(
    core: Core, rows: pa.Table, dimensions: Sequence[Column], times: Int64s, series: Int32s, time_ns: Int64s
) -> tuple[Places, Places]:
    """The places of the rows that have one of the keys, and which key each has; `times`: all of the keys, ascending."""
    of_row = _series_of(core, rows, dimensions)
    known = np.flatnonzero(of_row >= 0)
    wanted = series.astype(np.int64) * len(times) + np.searchsorted(times, time_ns)
    order = np.argsort(wanted, kind="stable")
    given = of_row[known] * len(times) + np.searchsorted(times, rows[layout.TIME_NS].to_numpy()[known])
    nearest = np.minimum(np.searchsorted(wanted[order], given), len(order) - 1)
    is_wanted = wanted[order][nearest] == given
    return known[is_wanted], order[nearest[is_wanted]]


def _series_of(core: Core, rows: pa.Table, dimensions: Sequence[Column]) -> Int64s:
    """The series of each row, which its dimensions and measure name show; -1: an unknown one."""
    columns = [rows[name].combine_chunks() for name in (*(of.physical for of in dimensions), layout.MEASURE_NAME)]
    first, number_of = combinations(columns)
    unique = pa.table({str(place): column.take(pa.array(first)) for place, column in enumerate(columns)})
    ids = np.full(len(first), -1, np.int64)
    for number, (*values, name) in enumerate(zip(*(column.to_pylist() for column in unique.columns), strict=True)):
        pairs = ((of.name, value) for of, value in zip(dimensions, values, strict=True) if value is not None)
        known = core.index.find(SeriesKey(tuple(sorted(pairs)), name))
        ids[number] = -1 if known is None else known
    return ids[number_of]


def _any_within(times: Int64s, from_ns: int, to_ns: int) -> bool:
    return int(np.searchsorted(times, from_ns)) < int(np.searchsorted(times, to_ns, side="right"))
