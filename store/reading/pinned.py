"""The tables that a snapshot has pinned: for each a Delta version, and the rows beyond it in all processes.

For a partition whose store is in this process the rows are read in place; those of other partitions are requested from
their owners. If all partitions are in this process, it uses a version that the rows in RAM complete, so that no request
is sent to owners or storage.

The first read of a table in a query decides which rows of each partition it sees. Rows that are applied later are left
out, so that a table that is read twice in one query is the same both times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from store.catalog.catalog import Catalog, TableInfo
from store.catalog.present import schema_of
from store.catalog.schema import TableSchema
from store.errors import Behind, PartitionSilent, QueryFailed, RequestError
from store.magnetic.versions import Newest, Versions
from store.reading.tail import Gather, Partition, PinnedRows, Readable, TailReply, TailRequest, to_sequence_of
from store.record import TableId

_TRIES = 5

Replies: TypeAlias = Sequence[TailReply | PinnedRows]


@dataclass(slots=True)
class Pinned:
    """A table at one version.

    rows         by partition, for those in this process
    to_sequence  by partition: rows beyond it were applied after the query first read the table
    """

    info: TableInfo
    newest: Newest
    schema: TableSchema
    rows: dict[str, PinnedRows] = field(default_factory=dict)
    to_sequence: dict[str, int] = field(default_factory=dict)

    def unpin(self) -> None:
        """Release all pinned rows."""
        for rows in self.rows.values():
            rows.unpin()

    def pin_here(self, store: Partition, request: TailRequest) -> PinnedRows:
        """The rows of a partition of this process beyond the version, pinned only once. Raises Behind."""
        known = self.rows.get(store.own_partition)
        if known is None or known.table is not store.opened(request.table):
            rows = store.pin(request, self.newest.version)
            to_sequence = self.to_sequence.get(rows.partition)
            if to_sequence is not None:
                rows = replace(rows, memory=replace(rows.memory, to_sequence=to_sequence))
            if known is not None:
                known.unpin()
            known = self.rows[store.own_partition] = rows
        return known

    def seen(self, replies: Replies) -> None:
        """Record what the query sees of the partitions of these replies, if this is its first read of the table."""
        for reply in replies:
            if reply.partition not in self.to_sequence:
                self.to_sequence[reply.partition] = (
                    to_sequence_of(reply, self.newest.version) if isinstance(reply, PinnedRows) else reply.to_sequence
                )


class PinnedTables:
    """The tables that a snapshot has read. `stores` are those of this process."""

    def __init__(
        self,
        catalog: Catalog,
        versions: Versions,
        partitions: Sequence[str],
        stores: Sequence[Partition],
        gather: Gather | None,
    ) -> None:
        """No table is pinned yet. `gather`: see `store.store.Store.snapshot`."""
        self._catalog = catalog
        self._versions = versions
        self._partitions = partitions
        self._stores = stores
        self._gather = gather or (lambda _request, pin_here: [pin_here(store) for store in self._stores])
        self._pinned: dict[TableId, Pinned] = {}
        self.looks_for_newest = False  # whether a version that another query read within the last second is too old

    def close(self) -> None:
        """Release every table."""
        for pinned in self._pinned.values():
            pinned.unpin()
        self._pinned.clear()

    def table(self, table: TableId) -> Pinned:
        """The table, pinned. Raises UnknownDatabase, UnknownTable."""
        pinned = self._pinned.get(table)
        if pinned is None:
            info = self._catalog.table(table)
            pinned = self._pinned[table] = self._pin(info, self._newest(info, None))
        return pinned

    def renew(self) -> bool:
        """Pin newer versions if there are any; returns whether one of them has a new column."""
        known = {table: pinned.newest for table, pinned in self._pinned.items()}
        for table in known:
            self.pin_newer(table)
        return any(
            self._pinned[table].newest.columns.stored() != newest.columns.stored() for table, newest in known.items()
        )

    def look_for_deleted(self) -> None:
        """Raises UnknownTable if any worker has deleted one of the tables."""
        self._catalog.refresh(now=True)
        for table, pinned in self._pinned.items():
            if not pinned.info.is_same_table(self._catalog.known(table)):
                self._catalog.table(table)

    def ask(self, table: TableId, request_of: Callable[[Pinned], TailRequest]) -> tuple[Pinned, Replies]:
        """The rows beyond a version, and that version: a newer one if the pinned version is outdated.

        Waits for the owners of all partitions. Raises PartitionSilent, QueryFailed, and everything that `gather`
        raises.
        """
        reason = ""
        for _ in range(_TRIES):
            pinned = self.table(table)
            request = request_of(pinned)
            try:
                replies = list(self._gather(request, lambda store: pinned.pin_here(store, request)))  # noqa: B023
            except Behind as error:
                reason = str(error)
                self.pin_newer(table)
                continue
            silent = set(self._partitions) - {reply.partition for reply in replies}
            if silent:
                raise PartitionSilent(f"no response for {', '.join(sorted(silent))}: the query would miss its rows")
            pinned.seen(replies)
            return pinned, replies
        raise QueryFailed(f"{table}: the newest version found is outdated, after {_TRIES} tries: {reason}")

    def _pin(self, info: TableInfo, newest: Newest) -> Pinned:
        return Pinned(info, newest, schema_of(info, newest.columns, self._catalog.partitions.index))

    def pin_newer(self, table: TableId) -> None:
        """Pin a newer version of a table that is pinned, if there is one; the query sees the same rows in RAM."""
        old = self._pinned.pop(table)
        old.unpin()
        self._catalog.refresh(now=True)
        info = self._catalog.table(table)
        after = old.newest if info.is_same_table(old.info) else None
        self._pinned[table] = self._pin(info, self._newest(info, after))
        if after is not None:
            self._pinned[table].to_sequence = old.to_sequence

    def _newest(self, info: TableInfo, after: Newest | None) -> Newest:
        """The version to read: if all partitions are here, the current one for readers, with all rows not in RAM."""
        here = self._tables_here(info)
        has_all = len(here) == len(self._partitions)
        if has_all:
            newest = max((table.newest() for table in here), key=lambda newest: newest.version.number)
            if after is None or newest.version.number > after.version.number:
                return _with_columns_of(here, newest)
        known = {column.physical for table in here for column in table.stored_columns()}
        newest = self._versions.newest(info, now=has_all or self.looks_for_newest, after=after, known=known)
        return _with_columns_of(here, newest) if has_all else newest

    def _tables_here(self, info: TableInfo) -> list[Readable]:
        tables = []
        for store in self._stores:
            with suppress(RequestError):  # deleted, or its partition revoked, in the meantime
                tables.append(store.to_read(info.table))
        return [table for table in tables if table.info.is_same_table(info)]


def _with_columns_of(tables: Sequence[Readable], newest: Newest) -> Newest:
    """The version with the columns of these tables: columns of rows that are not flushed may be missing in it."""
    columns = newest.columns.copy()
    for column in (column for table in tables for column in table.stored_columns()):
        columns.add(column)
    return replace(newest, columns=columns)
