"""Requests for rows that only the owner of a partition has: those beyond the version that a query reads.

A query pins a version of the Delta table and requests from the owner of each partition its rows beyond the version's
position of that partition: every row is then either in the version or in exactly one reply. A reply also contains the
times at which superseded rows may still be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from store.catalog.catalog import TableInfo
from store.catalog.contents import ByMeasureName
from store.catalog.schema import BY_MEASURE_NAME, Column
from store.magnetic.tier import Version
from store.magnetic.versions import Newest
from store.reading.partials import Partials
from store.reading.scan import MemoryView
from store.record import Int64s, TableId
from store.sequence import OFFSET_BITS


class TailRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The requested rows: of `table`, beyond `positions`, with times in [from_ns, to_ns) and such dimensions.

    `incarnation` distinguishes the table from earlier ones with its name; `version` is the Delta version of
    `positions`; `columns` are the physical names of those that the query uses, None: any. `wants_contents`: the reply
    has the table's contents, too. `partials`: the reply may have these partial aggregates instead of rows, of those up
    to the sequence that `seen` has for its partition, if any. Workers of earlier programs know neither, and send rows,
    of other measure names than `measure_names`, too.
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
    columns: Sequence[str] | None = None
    wants_contents: bool = False
    partials: Partials | None = None
    seen: Mapping[str, int] = {}
    measure_names: Sequence[str] | None = None

    @property
    def selected(self) -> Mapping[str, Sequence[str]] | None:
        """The dimensions and the measure name by which series are found; None: all."""
        if self.measure_names is None:
            return self.dimensions
        return {**(self.dimensions or {}), BY_MEASURE_NAME: self.measure_names}

    @property
    def table(self) -> TableId:
        """The table's full name."""
        return TableId(self.account, self.database, self.name)

    def encode(self) -> bytes:
        """The bytes to send."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> TailRequest:
        """Decode bytes that were sent. Raises msgspec.MsgspecError, ValueError."""
        return _request_decoder.decode(data)


_request_decoder = msgspec.msgpack.Decoder(TailRequest)


@dataclass(frozen=True, slots=True, eq=False)
class TailReply:
    """The rows of one partition.

    rows           dimensions and measures by physical name, measure_name, time_ns, version, _stream, _sequence
    to_sequence    the highest `_sequence` of the table in this partition at that time, selected or not
    superseded_ns  times, ascending, at which the version or RAM may have a key twice
    contents       if they are wanted; None: not known
    partials       if they are wanted: `rows` are only those at `superseded_ns` then; None: all rows are sent as rows
    """

    partition: str
    to_sequence: int
    superseded_ns: Int64s
    rows: pa.Table
    contents: ByMeasureName | None = None
    partials: pa.Table | None = None

    def encode(self) -> bytes:
        """The bytes to send."""
        partials = None if self.partials is None else _packed(self.partials)
        superseded_ns = self.superseded_ns.tobytes()
        return msgspec.msgpack.encode(
            _Wire(self.partition, self.to_sequence, superseded_ns, _packed(self.rows), self.contents, partials)
        )

    @classmethod
    def decode(cls, data: bytes) -> TailReply:
        """Decode bytes that were sent. Raises msgspec.MsgspecError, ValueError, pyarrow.ArrowException."""
        wire = _wire_decoder.decode(data)
        superseded_ns = np.frombuffer(wire.superseded_ns, np.int64)
        partials = None if wire.partials is None else _unpacked(wire.partials)
        return cls(wire.partition, wire.to_sequence, superseded_ns, _unpacked(wire.rows), wire.contents, partials)


def _packed(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(use_threads=False)) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]  # pyarrow has no types


def _unpacked(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data, options=pa.ipc.IpcReadOptions(use_threads=False)).read_all()


class _Wire(msgspec.Struct, array_like=True):
    partition: str
    to_sequence: int
    superseded_ns: bytes
    rows: bytes
    contents: ByMeasureName | None = None  # this and the next are absent in replies of earlier programs
    partials: bytes | None = None


_wire_decoder = msgspec.msgpack.Decoder(_Wire)


class Readable(Protocol):
    """An open table of this process."""

    @property
    def info(self) -> TableInfo:
        """The catalog's entry of the table when it was opened."""
        ...

    def stored_columns(self) -> tuple[Column, ...]:
        """The dimensions and measures that rows have now."""
        ...

    def newest(self) -> Newest:
        """The current version for readers, and the known columns."""
        ...

    def contents(self) -> ByMeasureName | None:
        """What the stored records of each measure name have; None if that is not known yet."""
        ...

    def unpin(self, view: MemoryView) -> None:
        """Release a view."""
        ...

    def drop_damaged(self) -> bool:
        """Remove files that are known to be damaged; returns whether there were any."""
        ...


class Partition(Protocol):
    """The store of a partition, in this process."""

    @property
    def own_partition(self) -> str:
        """The partition of the store."""
        ...

    def opened(self, table: TableId) -> Readable | None:
        """The table if it is open, else None."""
        ...

    def to_read(self, table: TableId) -> Readable:
        """The table, opened if necessary. Raises UnknownDatabase, UnknownTable."""
        ...

    def pin(self, request: TailRequest, version: Version | None) -> PinnedRows:
        """Pin the rows beyond the requested version. Raises Behind."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PinnedRows:
    """The rows of a partition of this process, used in place of a reply; must be unpinned."""

    partition: str
    table: Readable
    memory: MemoryView

    def unpin(self) -> None:
        """Release the rows."""
        self.table.unpin(self.memory)


Pin: TypeAlias = Callable[[Partition], PinnedRows]
Gather: TypeAlias = Callable[[TailRequest, Pin], Sequence[TailReply | PinnedRows]]
"""The rows of each partition beyond a version: a reply of its owner, or pinned rows of a store of this process."""


def to_sequence_of(rows: PinnedRows, base: Version | TailRequest) -> int:
    """The highest `_sequence` of the table in the partition, in the version or in RAM."""
    asked = base.positions.get(rows.partition, -1)
    return max(((asked + 1) << OFFSET_BITS) - 1, rows.memory.last_sequence)
