"""The pending rows: unflushed rows of many small tables, saved together instead of one commit per table.

With more than about 150 tables, one commit per table every 30 s would be more than five a second. Instead their rows
are saved here together, with the position of each table, and a table is committed if it is large or its turn has come.
At the next start the rows are loaded into RAM as unflushed rows, except those that are in the table's magnetic tier by
then.

They are replaced as a whole: MessagePack, one entry per table, its rows as an Arrow IPC stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from store import layout
from store.errors import DamagedObject
from store.objects.damage import Outcome, report
from store.record import TableId
from store.state.partition_state import PartitionState


class Entry(msgspec.Struct, array_like=True):
    """The pending rows of one table."""

    account: str
    database: str
    table: str
    columns: list[tuple[str, str, str, str]]  # name, kind, type, physical
    series: list[tuple[tuple[tuple[str, str], ...], str, str | None]]  # dimensions, measure name, zone
    positions: dict[str, int]
    superseded_ns: bytes
    rows: bytes  # empty if there are none: such an entry is not saved

    @property
    def id(self) -> TableId:
        """The name of the table."""
        return TableId(self.account, self.database, self.table)


_decoder = msgspec.msgpack.Decoder(list[Entry])


class PendingRows:
    """The pending rows of one partition, part of its saved state.

    Rows that a former owner saves late are correct for the log up to their position, and so may become current.
    """

    def __init__(self, keep: PartitionState, own_partition: str) -> None:
        self._keep = keep
        self._own_partition = own_partition
        self.offset = -1  # up to which rows are saved; -1 if none are

    def save(self, entries: Iterable[Entry], advanced: Mapping[str, int]) -> None:
        """Save durably all rows up to `advanced` that are not in the magnetic tier; replaces the previous ones."""
        if self._own_partition in advanced:  # else no frame is complete yet
            data = msgspec.msgpack.encode([entry for entry in entries if entry.rows])
            self._keep.save(layout.PENDING_ROWS, advanced[self._own_partition], data)
            self.offset = advanced[self._own_partition]

    def load(self, at_least: int = -1) -> dict[TableId, Entry] | None:
        """The saved entries by table; None if they are damaged, or not those of `at_least` or later: it is reported."""
        try:
            entries = self._saved(at_least)
        except (DamagedObject, msgspec.MsgspecError, UnicodeDecodeError) as error:  # the last for text
            told = (
                f"the pending rows of {self._own_partition}: {error}; rows of small tables are lost, except those that "
            )
            report("pending rows", f"{told}the log still has, which is read again", Outcome.LOST)
            return None
        return {entry.id: entry for entry in entries}

    def _saved(self, at_least: int) -> list[Entry]:
        kept = self._keep.latest(layout.PENDING_ROWS)
        self.offset = -1 if kept is None else kept[0]
        if self.offset < at_least:
            raise DamagedObject(f"those of offset {at_least} are missing")
        return [] if kept is None else _decoder.decode(kept[1])
