"""A table's part of the pending rows: its unflushed rows, to be saved, and to be put back at the next start.

Their purpose and storage: `store.state.pending_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.schema import Column, kind_of
from store.memory.tier import Rows
from store.record import Int32s, Int64s, MeasureType, SeriesKey
from store.sequence import OFFSET_BITS
from store.state.pending_rows import Entry
from store.table.core import Core
from store.table.flush import unflushed_rows
from store.table.registering import register_columns


def entry_of(core: Core, advanced: Mapping[str, int], now_ns: int) -> Entry:
    """The rows of the table beyond its magnetic tier up to `advanced`."""
    cut = core.cut(advanced, now_ns)
    rows = unflushed_rows(core, cut)
    return Entry(
        core.id.account,
        core.id.database,
        core.id.table,
        [(c.name, str(c.kind), c.type.value, c.physical) for c in cut.columns.stored()],
        [
            (key.dimensions, key.measure_name, zone)
            for key, zone in zip(list(core.index.keys), list(core.index.zones), strict=False)
        ]
        if rows.num_rows
        else [],
        cut.positions,
        cut.superseded_ns.tobytes(),
        _to_bytes(rows) if rows.num_rows else b"",
    )


def restore(core: Core, entry: Entry, covered_to: Callable[[str], int], now_ns: int) -> None:
    """Put the saved rows back into RAM, except those that the table already has."""
    rows = pa.ipc.open_stream(entry.rows).read_all()
    covered = core.numbered({partition: covered_to(partition) for partition in entry.positions})
    offsets = rows[layout.SEQUENCE].to_numpy() >> OFFSET_BITS
    partitions = rows[layout.PARTITION].to_numpy()
    beyond = np.array(
        [offset > covered[partition] for offset, partition in zip(offsets, partitions, strict=True)], np.bool_
    )
    rows, partitions = rows.filter(pa.array(beyond)), partitions[beyond]
    columns = [
        Column(name, kind_of(kind), MeasureType(type_), physical) for name, kind, type_, physical in entry.columns
    ]
    for column in columns:
        core.columns.stored.add(column)
    for dimensions, measure_name, zone in entry.series:
        core.index.id_of(SeriesKey(dimensions, measure_name), zone)
    register_columns(core, {})
    series = _series(core, rows, [column for column in columns if column.kind == "dimension"])
    measures = [column.physical for column in columns if column.kind == "measure"]
    superseded_ns = np.frombuffer(entry.superseded_ns, np.int64)
    core.superseded.mark(superseded_ns)
    for partition in entry.positions:
        number = core.number_of(partition)
        of_partition = np.flatnonzero(partitions == number)
        if len(of_partition):
            part = rows.take(pa.array(of_partition)).combine_chunks()
            times, versions, sequence = (
                part[name].to_numpy() for name in (layout.TIME_NS, layout.VERSION, layout.SEQUENCE)
            )
            values = {name: part[name].combine_chunks() for name in measures}
            rows_of_it = Rows(series[of_partition], times, versions, number, sequence, values, superseded_ns)
            _put_back(core, rows_of_it, partition, now_ns)
            _mark(core, times, sequence >> OFFSET_BITS, partition, superseded_ns)
    core.progress.saved = dict(entry.positions)


def _put_back(core: Core, rows: Rows, partition: str, now_ns: int) -> None:
    """Put rows back into RAM, as unflushed ones."""
    with core.lock:
        core.add_new_series()
        core.memory.add(rows)
        core.memory.insert_head(now_ns)
        core.state.remember(rows.series, rows.time_ns, None)
        core.contents.note(rows.series, rows.measures)
        offsets = rows.sequence >> OFFSET_BITS
        core.progress.stored(partition, int(offsets.min()), int(offsets.max()), now_ns, 0)


def _mark(core: Core, times_ns: Int64s, offsets: Int64s, partition: str, superseded_ns: Int64s) -> None:
    """Keep the marks of superseded times until these rows, which may supersede others there, are flushed."""
    at = np.flatnonzero(np.isin(times_ns, superseded_ns))
    at = at[np.argsort(offsets[at], kind="stable")]
    core.superseded.add(times_ns[at], partition, offsets[at])


def _series(core: Core, rows: pa.Table, dimensions: list[Column]) -> Int32s:
    values = [rows[column.physical].to_pylist() for column in dimensions]
    ids = []
    for i, measure_name in enumerate(rows[layout.MEASURE_NAME].to_pylist()):
        pairs = [(c.name, of[i]) for c, of in zip(dimensions, values, strict=True) if of[i] is not None]
        ids.append(core.index.id_of(SeriesKey(tuple(sorted(pairs)), measure_name)))
    return np.array(ids, np.int32)


def _to_bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    data: bytes = sink.getvalue().to_pybytes()
    return data
