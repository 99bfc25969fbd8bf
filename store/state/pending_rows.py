"""The pending rows: unflushed rows of many small tables saved as one, so that they need no commits of their own.

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

from store.errors import StoreFormatError
from store.objects.files import write_atomic
from store.record import TableId

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
    rows: bytes  # empty where there is none: such an entry is not saved

    @property
    def id(self) -> TableId:
        """The table it is of."""
        return TableId(self.account, self.database, self.table)


class PendingRowsKeeping(Protocol):
    """Where pending rows are kept."""

    name: str  # for messages

    def load(self) -> bytes | None:
        """What was kept last; None if nothing was. Raises StoreFormatError if it is damaged."""
        ...

    def save(self, data: bytes, advanced: Mapping[str, int]) -> None:
        """Keep it durably in place of the last. It has all rows up to `advanced` that no magnetic tier has."""
        ...


class PendingRowsFile:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def load(self) -> bytes | None:
        """See `PendingRowsKeeping`."""
        return self._path.read_bytes() if self._path.exists() else None

    def save(self, data: bytes, advanced: Mapping[str, int]) -> None:  # noqa: ARG002  # its entries say it
        """See `PendingRowsKeeping`."""
        write_atomic(self._path, data)


def save(keeping: PendingRowsKeeping, entries: Iterable[Entry], advanced: Mapping[str, int]) -> None:
    """Save durably what tables have beyond their magnetic tiers up to `advanced`; replaces the last."""
    keeping.save(msgspec.msgpack.encode([entry for entry in entries if entry.rows]), advanced)


def load(keeping: PendingRowsKeeping) -> dict[TableId, Entry]:
    """What is saved, by table. Raises StoreFormatError if it is damaged."""
    data = keeping.load()
    try:
        entries = [] if data is None else msgspec.msgpack.decode(data, type=list[Entry])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second of text that is none
        raise StoreFormatError(f"{keeping.name} is damaged: {error}; {REMEDY}") from error
    return {entry.id: entry for entry in entries}
