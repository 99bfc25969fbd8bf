"""The checkpoint: unflushed rows of many small tables saved as one, so that they need no commits of their own.

With more than about 150 tables a commit of each every 30 s would be more than five a second. Their rows are saved here
together instead, each table's with its position, and a table is committed when it has grown or waited its turn. At the
next start the rows come back into RAM as unflushed ones, but for those that the table's magnetic tier has by then.

It is replaced as a whole: MessagePack, one entry per table, its rows as an Arrow IPC stream. In a folder it is a file;
a partition's lies with what else its owner leaves for its successor (`store.state.keep`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.schema import Column, kind_of
from store.errors import StoreFormatError
from store.memory.tier import Rows
from store.objects.files import write_atomic
from store.record import Int32s, MeasureType, SeriesKey, TableId
from store.sequence import OFFSET_BITS
from store.table.flush import unflushed_rows
from store.table.table import Table

REMEDY = "put it back from a backup, or move it away: rows of small tables that only it held are lost then"


class Entry(msgspec.Struct, array_like=True):
    """What is saved of one table."""

    account: str
    database: str
    table: str
    columns: list[tuple[str, str, str, str]]  # name, kind, type, physical
    series: list[tuple[tuple[tuple[str, str], ...], str, str | None]]  # dimensions, measure name, zone
    positions: dict[str, int]
    superseded_ns: bytes
    rows: bytes

    @property
    def id(self) -> TableId:
        """The table it is of."""
        return TableId(self.account, self.database, self.table)


class CheckpointKeeping(Protocol):
    """Where a checkpoint is kept."""

    name: str  # for messages

    def load(self) -> bytes | None:
        """What was kept last; None if nothing was. Raises StoreFormatError if it is damaged."""
        ...

    def save(self, data: bytes, advanced: Mapping[str, int]) -> None:
        """Keep it durably in place of the last. It has all rows up to `advanced` that no magnetic tier has."""
        ...


class CheckpointFile:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def load(self) -> bytes | None:
        """See `CheckpointKeeping`."""
        return self._path.read_bytes() if self._path.exists() else None

    def save(self, data: bytes, advanced: Mapping[str, int]) -> None:  # noqa: ARG002  # its entries say it
        """See `CheckpointKeeping`."""
        write_atomic(self._path, data)


def save(keeping: CheckpointKeeping, tables: Iterable[Table], advanced: Mapping[str, int], now_ns: int) -> None:
    """Save durably what these tables have beyond their magnetic tiers up to `advanced`; replaces the last."""
    saved: list[tuple[Table, dict[str, int]]] = []
    entries = []
    for table in tables:
        with table.io_lock:
            if table.is_dropped:
                continue
            cut = table.cut(advanced, now_ns)
            rows = unflushed_rows(table, cut)
        saved.append((table, cut.positions))
        if rows.num_rows:
            columns = [(c.name, str(c.kind), c.type.value, c.physical) for c in cut.columns.stored()]
            series = [
                (key.dimensions, key.measure_name, zone)
                for key, zone in zip(list(table.index.keys), list(table.index.zones), strict=False)
            ]
            superseded = cut.superseded_ns.tobytes()
            entries.append(Entry(*_parts(table.id), columns, series, cut.positions, superseded, _to_bytes(rows)))
    keeping.save(msgspec.msgpack.encode(entries), advanced)
    for table, positions in saved:
        table.saved = positions


def load(keeping: CheckpointKeeping) -> dict[TableId, Entry]:
    """What is saved, by table. Raises StoreFormatError if it is damaged."""
    data = keeping.load()
    try:
        entries = [] if data is None else msgspec.msgpack.decode(data, type=list[Entry])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second of text that is none
        raise StoreFormatError(f"{keeping.name} is damaged: {error}; {REMEDY}") from error
    return {entry.id: entry for entry in entries}


def restore(table: Table, entry: Entry, now_ns: int) -> None:
    """Put the saved rows of `table` back, but for those it has already."""
    rows = pa.ipc.open_stream(entry.rows).read_all()
    covered = table.numbered({stream: table.covered_to(stream) for stream in entry.positions})
    offsets = rows[layout.SEQUENCE].to_numpy() >> OFFSET_BITS
    streams = rows[layout.STREAM].to_numpy()
    beyond = np.array([offset > covered[stream] for offset, stream in zip(offsets, streams, strict=True)], np.bool_)
    rows, streams, offsets = rows.filter(pa.array(beyond)), streams[beyond], offsets[beyond]
    columns = [
        Column(name, kind_of(kind), MeasureType(type_), physical) for name, kind, type_, physical in entry.columns
    ]
    for column in columns:
        table.columns.add(column)
    for dimensions, measure_name, zone in entry.series:
        table.index.id_of(SeriesKey(dimensions, measure_name), zone)
    if table.own is not None:
        table.register_columns({})
    series = _series(table, rows, [column for column in columns if column.kind == "dimension"])
    measures = [column.physical for column in columns if column.kind == "measure"]
    for stream in entry.positions:
        (number,) = table.numbered({stream: 0})
        of_stream = np.flatnonzero(streams == number)
        if len(of_stream):
            part = rows.take(pa.array(of_stream)).combine_chunks()
            table.put_back(
                Rows(
                    series[of_stream],
                    part[layout.TIME_NS].to_numpy(),
                    part[layout.VERSION].to_numpy(),
                    number,
                    part[layout.SEQUENCE].to_numpy(),
                    {name: part[name].combine_chunks() for name in measures},
                ),
                stream,
                now_ns,
            )
    table.superseded.mark(np.frombuffer(entry.superseded_ns, np.int64))
    table.saved = dict(entry.positions)


def _series(table: Table, rows: pa.Table, dimensions: list[Column]) -> Int32s:
    values = [rows[column.physical].to_pylist() for column in dimensions]
    ids = []
    for i, measure_name in enumerate(rows[layout.MEASURE_NAME].to_pylist()):
        pairs = [(c.name, of[i]) for c, of in zip(dimensions, values, strict=True) if of[i] is not None]
        ids.append(table.index.id_of(SeriesKey(tuple(sorted(pairs)), measure_name)))
    return np.array(ids, np.int32)


def _parts(table: TableId) -> tuple[str, str, str]:
    return table.account, table.database, table.table


def _to_bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    data: bytes = sink.getvalue().to_pybytes()
    return data
