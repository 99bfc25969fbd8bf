"""A snapshot of tables: a pinned Delta version of each, the rows beyond it that are here, and what others have.

Of a partition whose store is in this process the rows are read where they are; owners of others are asked for theirs.
Where every partition is here and RAM holds all rows from some time on, RAM is read for those instead of Delta.

The first time that a query reads a table decides what of each partition it sees, and what is applied later stays out,
so that a table that is read twice in one query is the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from store.catalog.catalog import TableInfo
from store.catalog.present import schema_of
from store.catalog.schema import TableSchema
from store.catalog.shared import SharedCatalog
from store.engine.duck import Duck
from store.errors import Behind, PartitionSilent, QueryFailed, RequestError
from store.magnetic.versions import Newest, Versions
from store.reading.scan import END_OF_TIME_NS, Selection, TableView, TailView
from store.reading.series import series_of
from store.reading.snapshot import Snapshot, bounds
from store.reading.tail import Gather, Partition, PinnedRows, Readable, TailReply, TailRequest, to_sequence_of
from store.record import TableId

__all__ = ["Gather", "SharedSnapshot"]

_TRIES = 5


@dataclass(slots=True)
class _Pinned:
    info: TableInfo
    newest: Newest
    schema: TableSchema
    rows: dict[str, PinnedRows] = field(default_factory=dict)  # by partition
    to_sequence: dict[str, int] = field(default_factory=dict)  # by partition: what is beyond was applied since


class SharedSnapshot(Snapshot):
    """Reads the tables of one account. A context manager; used by one thread."""

    def __init__(
        self,
        account: str,
        catalog: SharedCatalog,
        duck: Duck,
        clock_ns: Callable[[], int],
        versions: Versions,
        partitions: Sequence[str],
        stores: Sequence[Partition],
        gather: Gather | None,
    ) -> None:
        """Made by `SharedStore.snapshot`: `stores` are those of this process."""
        super().__init__(account, catalog, duck, clock_ns)
        self._shared = catalog
        self._versions = versions
        self._partitions = partitions
        self._stores = stores
        self._gather = gather or (lambda _request, pin_here: [pin_here(store) for store in self._stores])
        self._pinned: dict[TableId, _Pinned] = {}
        self._looks_anew = False
        catalog.refresh()

    def close(self) -> None:
        """Unpin every table."""
        for pinned in self._pinned.values():
            _unpin(pinned)
        self._pinned.clear()
        super().close()

    def look_anew(self) -> None:
        """See `Snapshot`: what other workers made in the last second may not be known here."""
        super().look_anew()
        self._looks_anew = True

    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns and settings. Raises UnknownDatabase, UnknownTable."""
        return self._pin(TableId(self._account, database, table)).schema

    def renew(self) -> bool:
        """A column that another worker has brought less than a second ago may not be known here."""
        known = {table: pinned.newest for table, pinned in self._pinned.items()}
        for table in known:
            self._pin_newer(table)
        return any(
            self._pinned[table].newest.columns.stored() != newest.columns.stored() for table, newest in known.items()
        )

    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
    ) -> str:
        """See `Snapshot`. Waits for the owners of all partitions; raises what `gather` does, PartitionSilent."""
        from_ns, to_ns = bounds(time_from_ns, time_to_ns)
        selection = Selection(from_ns, to_ns, None, dimensions)
        pinned, replies = self._ask(table, selection)
        for reply in replies:
            if reply.partition not in pinned.to_sequence:
                pinned.to_sequence[reply.partition] = (
                    to_sequence_of(reply, pinned.newest.version) if isinstance(reply, PinnedRows) else reply.to_sequence
                )
        return self._read(pinned, replies, selection)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """See `Snapshot`. Raises UnknownTable too: another worker may delete a table that is being read."""
        try:
            return super().execute(sql, parameters)
        except QueryFailed:
            self._shared.refresh(now=True)
            for table, pinned in self._pinned.items():
                if not pinned.info.is_same_table(self._shared.known(table)):
                    self._shared.table(table)
            raise

    def _pin(self, table: TableId) -> _Pinned:
        pinned = self._pinned.get(table)
        if pinned is None:
            info = self._catalog.table(table)
            pinned = self._pinned[table] = self._pinned_at(info, self._newest(info, None))
        return pinned

    def _pinned_at(self, info: TableInfo, newest: Newest) -> _Pinned:
        return _Pinned(info, newest, schema_of(info, newest.columns, self._shared.partitions.index))

    def _newest(self, info: TableInfo, after: Newest | None) -> Newest:
        """The version to read: where all partitions are here the one that is read already, which has what RAM lacks."""
        here = self._tables_here(info)
        has_all = len(here) == len(self._partitions)
        if has_all:
            newest = _newest_here(here)
            if after is None or newest.version.number > after.version.number:
                return newest
        known = {column.physical for table in here for column in table.stored_columns()}
        return self._versions.newest(info, now=has_all or self._looks_anew, after=after, known=known)

    def _tables_here(self, info: TableInfo) -> list[Readable]:
        tables = []
        for store in self._stores:
            with suppress(RequestError):  # deleted, or its partition revoked, at this very moment
                tables.append(store.to_read(info.table))
        return [table for table in tables if table.info.is_same_table(info)]

    def _ask(self, table: TableId, selection: Selection) -> tuple[_Pinned, list[TailReply | PinnedRows]]:
        """The rows beyond a version, and that: a newer one where the pinned one is out of date."""
        reason = ""
        for _ in range(_TRIES):
            pinned = self._pin(table)
            request = self._request(pinned, selection)
            try:
                replies = list(self._gather(request, lambda store: _pin_here(pinned, store, request)))  # noqa: B023
            except Behind as error:
                reason = str(error)
                self._pin_newer(table)
                continue
            silent = set(self._partitions) - {reply.partition for reply in replies}
            if silent:
                raise PartitionSilent(f"no response for {', '.join(sorted(silent))}: the query would miss its rows")
            return pinned, replies
        raise QueryFailed(f"{table}: the newest version that was found is behind, after {_TRIES} tries: {reason}")

    def _pin_newer(self, table: TableId) -> None:
        old = self._pinned.pop(table)
        _unpin(old)
        self._shared.refresh(now=True)
        info = self._catalog.table(table)
        after = old.newest if info.is_same_table(old.info) else None
        self._pinned[table] = self._pinned_at(info, self._newest(info, after))
        if after is not None:
            self._pinned[table].to_sequence = old.to_sequence

    def _request(self, pinned: _Pinned, selection: Selection) -> TailRequest:
        table, version = pinned.info.table, pinned.newest.version
        dimensions = selection.dimensions
        return TailRequest(
            table.account,
            table.database,
            table.table,
            pinned.info.incarnation,
            version.number,
            {partition: version.positions.get(partition, -1) for partition in self._partitions},
            max(selection.from_ns, self._visible_from_ns(pinned.info, version, ())),
            selection.to_ns,
            None if dimensions is None else {name: sorted(values) for name, values in dimensions.items()},
        )

    def _read(self, pinned: _Pinned, replies: Sequence[TailReply | PinnedRows], selection: Selection) -> str:
        """The text of the query."""
        version, dimensions = pinned.newest.version, selection.dimensions
        memory = tuple(reply.memory for reply in replies if isinstance(reply, PinnedRows))
        tails = tuple(
            TailView(
                self._register("tail", reply.rows),
                frozenset(reply.rows.column_names),
                pinned.to_sequence[reply.partition],
            )
            for reply in replies
            if isinstance(reply, TailReply) and reply.rows.num_rows
        )
        superseded = [reply.superseded_ns for reply in replies if isinstance(reply, TailReply)]
        superseded += [of.superseded_ns for of in memory]
        view = TableView(
            pinned.schema,
            memory,
            max(of.whole_from_ns for of in memory) if len(memory) == len(replies) else END_OF_TIME_NS,
            version,
            pinned.newest.data,
            superseded[0] if len(superseded) == 1 else np.unique(np.concatenate(superseded)),
            self._visible_from_ns(pinned.info, version, memory),
            tails,
        )
        if dimensions is not None:
            series = [series_of(self._cursor, pinned.schema, of, dimensions) for of in memory]
            selection = replace(selection, series=series)
        return self._text(view, selection)


def _pin_here(pinned: _Pinned, store: Partition, request: TailRequest) -> PinnedRows:
    assert store.own_partition is not None
    known = pinned.rows.get(store.own_partition)
    if known is None or known.table is not store.opened(request.table):
        rows = store.pin(request, pinned.newest.version)
        to_sequence = pinned.to_sequence.get(rows.partition)
        if to_sequence is not None:
            rows = replace(rows, memory=replace(rows.memory, to_sequence=to_sequence))
        if known is not None:
            known.unpin()
        known = pinned.rows[store.own_partition] = rows
    return known


def _unpin(pinned: _Pinned) -> None:
    for rows in pinned.rows.values():
        rows.unpin()


def _newest_here(tables: Sequence[Readable]) -> Newest:
    """The newest version that any of the stores of all partitions has, and the columns that there are."""
    newest = max((table.newest() for table in tables), key=lambda newest: newest.version.number)
    for column in (column for table in tables for column in table.stored_columns()):
        newest.columns.add(column)
    return newest
