"""Flushing a table: rows in RAM beyond the magnetic tier become a durable commit, together with the position.

The order matters: series, Parquet files, commit, each fsync'ed before the next; only then readers see the new version
and the low watermark of the log may rise. `apply` continues meanwhile; the rows it adds wait for the next flush.

Exact sequences would be half of a file's bytes. Readers compare them only between rows of one key, and with the offsets
at which units changed. So rows get the lowest one of their commit, except at superseded times.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.schema import Columns
from store.engine.duck import run
from store.magnetic.parquet import by_date, to_magnetic, write_file
from store.sequence import OFFSET_BITS, lowered
from store.table.core import Core, Cut


def flush(
    core: Core,
    advanced: Mapping[str, int],
    now_ns: int,
    store_rows: int,
    is_there: Callable[[], bool],
) -> bool:
    """Commit the rows beyond the magnetic tier up to `advanced`; returns whether there were any.

    `is_there` is called if there are rows to write, and returns whether the table still exists. Raises Fenced,
    MagneticConflict, MagneticUnavailable.
    """
    if core.magnetic.is_unsure:
        core.refresh_magnetic()
    cut = core.cut(advanced, now_ns)
    with core.lock:
        partitions_with_rows = set(core.progress.unflushed)
    rows = unflushed_rows(core, cut)
    if rows.num_rows:
        if not is_there():
            return False
        columns = list(cut.columns.stored())
        position = cut.positions[core.own_partition]
        core.saved_series.save(core.index, cut.last_ns, cut.superseded_ns, position, cut.contents)
        rows = to_magnetic(_with_few_sequences(core, rows, cut))
        files = [write_file(core.magnetic.location, date, part) for date, part in by_date(rows)]
        positions = {
            partition: offset for partition, offset in cut.positions.items() if partition in partitions_with_rows
        }
        version = core.magnetic.commit(files, (), columns, positions, is_new_data=True, after=cut.behind)
    else:
        version = core.magnetic.version
    with core.lock:
        core.magnetic.version = version
        core.memory.uncommitted_bytes = 0
        core.progress.flushed(cut.positions, now_ns, store_rows)
    return bool(rows.num_rows)


def unflushed_rows(core: Core, cut: Cut) -> pa.Table:
    """The rows of `cut` that are not in the magnetic tier, with their dimensions, sorted by series and time."""
    with core.lock:
        behind = core.numbered(cut.behind)
        waiting = core.progress.unflushed
        upto = core.numbered(
            {partition: cut.positions[partition] for partition in waiting if partition in cut.positions}
        )
        pinned = core.memory.beyond(behind)
        core.memory.pin(pinned)  # an open chunk may be replaced by a wider one
        chunks = [(chunk.name, dict(chunk.measures)) for chunk in pinned]
        table_series = core.memory.series_table
    wanted = " OR ".join(
        f'("{layout.PARTITION}" = {partition} '
        f'AND "{layout.SEQUENCE}" >= {(behind.get(partition, -1) + 1) << OFFSET_BITS} '
        f'AND "{layout.SEQUENCE}" < {(offset + 1) << OFFSET_BITS})'
        for partition, offset in upto.items()
    )
    parts = [select_rows(name, table_series, cut.columns, measures, wanted or "false") for name, measures in chunks]
    cursor = core.duck.cursor()
    try:
        if not parts:
            return pa.table({})
        sql = f'SELECT * EXCLUDE ("{layout.SERIES_ID}") FROM ({" UNION ALL ".join(parts)}) '
        return run(cursor, sql + f'ORDER BY "{layout.SERIES_ID}", "{layout.TIME_NS}"')
    finally:
        cursor.close()
        with core.lock:
            core.memory.unpin(pinned)


def _with_few_sequences(core: Core, rows: pa.Table, cut: Cut) -> pa.Table:
    sequence = rows[layout.SEQUENCE].to_numpy()
    with core.lock:
        begins = [offset for offset, _ in core.columns.changes.eras.get(core.own_partition, ())]
    is_superseded = np.isin(rows[layout.TIME_NS].to_numpy(), cut.superseded_ns)
    few = np.where(is_superseded, sequence, lowered(sequence, begins))
    return rows.set_column(rows.schema.get_field_index(layout.SEQUENCE), layout.SEQUENCE, pa.array(few))


def select_rows(name: str, series_table: str, columns: Columns, measures: Mapping[str, object], wanted: str) -> str:
    """The query for the rows of a chunk that are `wanted`, a condition, with dimensions and all measures."""
    selected = [
        f'r."{layout.SERIES_ID}"',
        *(f"s.{column.quoted}" for column in columns.dimensions.values()),
        *(() if columns.zone is None else (f"s.{columns.zone.quoted}",)),
        f's."{layout.MEASURE_NAME}"',
        f'r."{layout.TIME_NS}"',
        *(
            f"r.{column.quoted}" if column.physical in measures else f"NULL::{column.duck_type} AS {column.quoted}"
            for column in columns.measures.values()
        ),
        *(f'r."{physical}"' for physical in (layout.VERSION, layout.PARTITION, layout.SEQUENCE)),
    ]
    return (
        f"SELECT {', '.join(selected)} FROM {name} r "
        f'JOIN {series_table} s ON r."{layout.SERIES_ID}" = s."{layout.SERIES_ID}" WHERE {wanted}'
    )
