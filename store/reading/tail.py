"""A table's rows that only the owner of a partition has: those beyond the version somebody is about to read.

A query pins a version of the Delta table and asks the owner of each stream for its rows beyond the version's position
of that stream: every row is then in the version or in one reply, and in one only. A reply also tells at which times
rows may stand that others have superseded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from store.engine.duck import run
from store.errors import Behind, QueryFailed, RequestError
from store.magnetic.tier import Version
from store.reading.scan import MemoryView, Selection, beyond
from store.reading.series import series_of
from store.record import Int64s, TableId
from store.sequence import OFFSET_BITS
from store.store import Store
from store.table.table import Beside, Table


class TailRequest(msgspec.Struct, frozen=True):
    """Which rows are asked for: of `table`, beyond `positions`, with times in [from_ns, to_ns) and such dimensions.

    `incarnation` tells the table from one that had its name before; `version` is the Delta version whose positions
    these are.
    """

    account: str
    database: str
    name: str
    incarnation: int
    version: int
    positions: Mapping[str, int]
    from_ns: int
    to_ns: int
    dimensions: Mapping[str, Sequence[str]] | None

    @property
    def table(self) -> TableId:
        """The table."""
        return TableId(self.account, self.database, self.name)

    def encode(self) -> bytes:
        """For the wire."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> TailRequest:
        """Back from the wire. Raises msgspec.MsgspecError."""
        return msgspec.msgpack.decode(data, type=cls)


@dataclass(frozen=True, slots=True, eq=False)
class TailReply:
    """The rows of one stream.

    rows           dimensions and measures by physical name, measure_name, time_ns, version, _stream, _sequence
    to_sequence    the highest `_sequence` of the table in this stream by then, selected or not
    superseded_ns  times, ascending, at which the version or RAM may have a key twice
    """

    stream: str
    to_sequence: int
    superseded_ns: Int64s
    rows: pa.Table

    def encode(self) -> bytes:
        """For the wire."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.rows.schema, options=pa.ipc.IpcWriteOptions(use_threads=False)) as writer:
            writer.write_table(self.rows)
        rows = sink.getvalue().to_pybytes()
        return msgspec.msgpack.encode(_Wire(self.stream, self.to_sequence, self.superseded_ns.tobytes(), rows))

    @classmethod
    def decode(cls, data: bytes) -> TailReply:
        """Back from the wire. Raises msgspec.MsgspecError, pyarrow.ArrowException."""
        wire = msgspec.msgpack.decode(data, type=_Wire)
        options = pa.ipc.IpcReadOptions(use_threads=False)
        rows = pa.ipc.open_stream(wire.rows, options=options).read_all()
        return cls(wire.stream, wire.to_sequence, np.frombuffer(wire.superseded_ns, np.int64), rows)


class _Wire(msgspec.Struct, array_like=True):
    stream: str
    to_sequence: int
    superseded_ns: bytes
    rows: bytes


@dataclass(frozen=True, slots=True, eq=False)
class PinnedRows:
    """In place of a reply, of a stream of this process: its rows where they are. `unpin` lets go of them."""

    stream: str
    table: Table
    memory: MemoryView

    def unpin(self) -> None:
        """They are read no more."""
        self.table.unpin(self.memory)


Pin: TypeAlias = Callable[[Store], PinnedRows]
Gather: TypeAlias = Callable[[TailRequest, Pin], Sequence[TailReply | PinnedRows]]
"""Of each stream its rows beyond the version: by asking `tail` of its owner, or, of a store of ours, by pinning it."""


def tail(store: Store, request: TailRequest) -> TailReply:
    """What `store`, of a partition, has beyond the request's position of its stream. From any thread; may block.

    Raises Behind if it does not hold all of that any more, or knows another table of this name: the position is out of
    date, or the catalog of one of the two.
    """
    rows = pin(store, request, None)
    table, memory = rows.table, rows.memory
    cursor = table.duck.cursor()
    try:
        schema, dimensions = table.schema(table.info), request.dimensions
        series = None if dimensions is None else [series_of(cursor, schema, memory, dimensions)]
        found = run(cursor, beyond(schema, memory, Selection(request.from_ns, request.to_ns, series)))
    except QueryFailed as error:
        raise (Behind(f"{table.id} was let go of meanwhile") if table.is_dropped else error) from error
    finally:
        cursor.close()
        rows.unpin()
    times = memory.superseded_ns
    within = times[np.searchsorted(times, request.from_ns) : np.searchsorted(times, request.to_ns)]
    return TailReply(rows.stream, to_sequence_of(rows, request), within, found)


def pin(store: Store, request: TailRequest, version: Version | None) -> PinnedRows:
    """The rows of `store`, of a partition, to be read beside the version that is asked about: `version`, if it is here.

    Raises Behind as `tail` does.
    """
    assert store.own is not None, "a store that shares nothing has no tail"
    table = _table(store, request)
    asked = request.positions.get(store.own, -1)
    _is_ours(store, table, store.own, asked)
    with table.lock:  # what is superseded, what is gone, and the rows: of one moment
        if table.is_dropped or asked < table.gone_to:
            raise Behind(f"{table.id}: rows of {store.own} beyond {asked} are not all in RAM: {table.gone_to} is")
        return PinnedRows(store.own, table, table.pin(Beside(request.version, request.positions, version)))


def to_sequence_of(rows: PinnedRows, beside: Version | TailRequest) -> int:
    """The highest `_sequence` of the table in the stream, of the version's rows and those in RAM."""
    asked = beside.positions.get(rows.stream, -1)
    return max(((asked + 1) << OFFSET_BITS) - 1, rows.memory.last_sequence)


def _is_ours(store: Store, table: Table, own: str, asked: int) -> None:
    """Raises Behind if the version has rows of our stream that we have not written: another worker's it is then."""
    if asked <= table.magnetic.version.positions.get(own, -1):
        return
    with table.io_lock:  # or a commit of ours is made, and not yet published
        known = table.magnetic.version.positions.get(own, -1)
    if asked > known:
        store.is_overtaken_by(f"position of {own} is {asked} in {table.id} and {known} here")
        raise Behind(f"{own} is another worker's by now")


def _table(store: Store, request: TailRequest) -> Table:
    try:
        table = store.table_to_read(request.table)
        if table.info.incarnation != request.incarnation:
            store.drop_deleted(now=True)
            table = store.table_to_read(request.table)
    except RequestError as error:
        raise Behind(f"{request.table} is not there any more") from error
    if store.is_closed or store.is_overtaken or table.info.incarnation != request.incarnation:
        raise Behind(f"{request.table} is another table by now, or {store.own} another worker's")
    return table
