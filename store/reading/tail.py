"""A table's rows that only the owner of a partition has: those beyond the version somebody is about to read.

A query pins a version of the Delta table and asks the owner of each partition for its rows beyond the version's
position of that partition: every row is then in the version or in one reply, and in one only. A reply also tells at
which times rows may stand that others have superseded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from store.catalog.catalog import TableInfo
from store.catalog.schema import Column
from store.magnetic.tier import Version
from store.magnetic.versions import Newest
from store.reading.scan import MemoryView
from store.record import Int64s, TableId
from store.sequence import OFFSET_BITS


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
    """The rows of one partition.

    rows           dimensions and measures by physical name, measure_name, time_ns, version, _stream, _sequence
    to_sequence    the highest `_sequence` of the table in this partition by then, selected or not
    superseded_ns  times, ascending, at which the version or RAM may have a key twice
    """

    partition: str
    to_sequence: int
    superseded_ns: Int64s
    rows: pa.Table

    def encode(self) -> bytes:
        """For the wire."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.rows.schema, options=pa.ipc.IpcWriteOptions(use_threads=False)) as writer:
            writer.write_table(self.rows)
        rows = sink.getvalue().to_pybytes()
        return msgspec.msgpack.encode(_Wire(self.partition, self.to_sequence, self.superseded_ns.tobytes(), rows))

    @classmethod
    def decode(cls, data: bytes) -> TailReply:
        """Back from the wire. Raises msgspec.MsgspecError, pyarrow.ArrowException."""
        wire = msgspec.msgpack.decode(data, type=_Wire)
        options = pa.ipc.IpcReadOptions(use_threads=False)
        rows = pa.ipc.open_stream(wire.rows, options=options).read_all()
        return cls(wire.partition, wire.to_sequence, np.frombuffer(wire.superseded_ns, np.int64), rows)


class _Wire(msgspec.Struct, array_like=True):
    partition: str
    to_sequence: int
    superseded_ns: bytes
    rows: bytes


class Readable(Protocol):
    """A table that is open in this process."""

    @property
    def info(self) -> TableInfo:
        """As it was opened."""
        ...

    def stored_columns(self) -> tuple[Column, ...]:
        """The dimensions and measures that rows have now."""
        ...

    def newest(self) -> Newest:
        """The version that readers are given, and the columns that are known."""
        ...

    def unpin(self, view: MemoryView) -> None:
        """The view is read no more."""
        ...


class Partition(Protocol):
    """The store of a partition, in this process."""

    @property
    def own_partition(self) -> str:
        """The partition."""
        ...

    def opened(self, table: TableId) -> Readable | None:
        """The table, if it is open."""
        ...

    def to_read(self, table: TableId) -> Readable:
        """The table, opened if it is not yet. Raises UnknownDatabase, UnknownTable."""
        ...

    def pin(self, request: TailRequest, version: Version | None) -> PinnedRows:
        """The rows to be read beside the version that is asked about. Raises Behind."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PinnedRows:
    """In place of a reply, of a partition of this process: its rows where they are. `unpin` lets go of them."""

    partition: str
    table: Readable
    memory: MemoryView

    def unpin(self) -> None:
        """They are read no more."""
        self.table.unpin(self.memory)


Pin: TypeAlias = Callable[[Partition], PinnedRows]
Gather: TypeAlias = Callable[[TailRequest, Pin], Sequence[TailReply | PinnedRows]]
"""Of each partition its rows beyond the version: its owner's tail, or, of a store of ours, those that it pins."""


def to_sequence_of(rows: PinnedRows, beside: Version | TailRequest) -> int:
    """The highest `_sequence` of the table in the partition, of the version's rows and those in RAM."""
    asked = beside.positions.get(rows.partition, -1)
    return max(((asked + 1) << OFFSET_BITS) - 1, rows.memory.last_sequence)
