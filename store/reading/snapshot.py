"""A snapshot of an account's tables for a query; later changes, flushes and compactions do not affect it.

Each table is pinned at its first use: a Delta version, the rows beyond it in this process, and the rows that the owners
of other partitions send. One thread uses a snapshot; there may be several snapshots at once.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.catalog import Catalog, TableInfo
from store.catalog.schema import TableSchema
from store.engine.duck import Cursor, Duck, run
from store.errors import QueryFailed
from store.host_time import visible_from_ns
from store.magnetic.tier import Version
from store.magnetic.versions import Versions
from store.memory.newness import NEVER_NS
from store.reading.pinned import Pinned, PinnedTables, Replies
from store.reading.scan import END_OF_TIME_NS, MemoryView, Selection, TableView, TailView, text
from store.reading.series import LISTED, series_of
from store.reading.tail import Gather, Partition, PinnedRows, TailReply, TailRequest
from store.record import TableId


class Snapshot:
    """Reads the tables of one account. A context manager."""

    def __init__(
        self,
        account: str,
        catalog: Catalog,
        duck: Duck,
        clock_ns: Callable[[], int],
        versions: Versions,
        partitions: Sequence[str],
        stores: Sequence[Partition],
        gather: Gather | None,
    ) -> None:
        """Use `Store.snapshot`. `stores` are those of this process."""
        self._account = account
        self._catalog = catalog
        self._cursor: Cursor = duck.cursor()
        self._clock_ns = clock_ns
        self._partitions = partitions
        self._pinned = PinnedTables(catalog, versions, partitions, stores, gather)
        self._registered = 0
        catalog.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release every table."""
        self._pinned.close()
        self._cursor.close()

    def look_for_newest(self) -> None:
        """Read the newest catalog and versions, for a list of databases, tables or columns that must be complete."""
        self._catalog.refresh(now=True)
        self._pinned.looks_for_newest = True

    def databases(self) -> list[str]:
        """The names of the account's databases."""
        return [database.name for database in self._catalog.databases(self._account)]

    def tables(self, database: str) -> list[str]:
        """The names of the database's tables. Raises UnknownDatabase."""
        return [info.table.table for info in self._catalog.tables(self._account, database)]

    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns and settings. Raises UnknownDatabase, UnknownTable."""
        return self._pinned.table(TableId(self._account, database, table)).schema

    def renew(self) -> bool:
        """Look for new columns of the pinned tables, before one is reported missing; returns whether there are any.

        A column that another worker has added less than a second ago may be unknown here.
        """
        return self._pinned.renew()

    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
    ) -> str:
        """The text of a parenthesised DuckDB subquery for the rows of `table` with times in [from, to).

        Columns have their physical names. `dimensions` selects the rows whose stored dimension has exactly one of these
        values; it does not consider a dimension's `expression`. The text is valid only for `execute` of this snapshot.
        Waits for the owners of all partitions. Raises UnknownDatabase, UnknownTable, PartitionSilent.
        """
        selection = Selection(*_bounds(time_from_ns, time_to_ns), None, dimensions)
        pinned, replies = self._pinned.ask(table, lambda pinned: self._request(pinned, selection))
        view = self._view(pinned, replies)
        if dimensions is not None:
            series = [series_of(self._cursor, pinned.schema, of, dimensions) for of in view.memory]
            selection = replace(selection, series=series)
        return self._text(view, selection)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The result of a DuckDB query over sources of this snapshot. Raises what `store.engine.duck.run` raises.

        Raises UnknownTable, too, since another worker may delete a table while it is read.
        """
        try:
            return run(self._cursor, sql, parameters)
        except QueryFailed:
            self._pinned.look_for_deleted()
            raise

    def _request(self, pinned: Pinned, selection: Selection) -> TailRequest:
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

    def _view(self, pinned: Pinned, replies: Replies) -> TableView:
        """The version, together with the rows in RAM of this and other processes."""
        version = pinned.newest.version
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
        return TableView(
            pinned.schema,
            memory,
            max(of.whole_from_ns for of in memory) if len(memory) == len(replies) else END_OF_TIME_NS,
            version,
            pinned.newest.data,
            superseded[0] if len(superseded) == 1 else np.unique(np.concatenate(superseded)),
            self._visible_from_ns(pinned.info, version, memory),
            tails,
        )

    def _visible_from_ns(self, info: TableInfo, version: Version, memory: Iterable[MemoryView]) -> int:
        starts = [file.from_ns for file in version.files] + [chunk.from_ns for of in memory for chunk in of.chunks]
        return visible_from_ns(min(starts, default=END_OF_TIME_NS), info.settings.retention_ns, self._clock_ns())

    def _register(self, kind: str, rows: pa.Table) -> str:
        """Register `rows`; returns their name in queries of this snapshot."""
        name = f"{kind}_{self._registered}"
        self._registered += 1
        self._cursor.register(name, rows)
        return name

    def _text(self, view: TableView, selection: Selection) -> str:
        """The subquery for the selected rows of `view`."""
        times = view.superseded_ns
        times = times[np.searchsorted(times, selection.from_ns) : np.searchsorted(times, selection.to_ns)]
        relation = functools.partial(view.data.relation, self._cursor)
        if not len(times):
            return text(view, selection, None, relation)
        if len(times) <= LISTED:
            return text(view, selection, ", ".join(map(str, times.tolist())), relation)
        name = self._register("superseded", pa.table({layout.TIME_NS: times}))
        return text(view, selection, f'SELECT "{layout.TIME_NS}" FROM {name}', relation)


def _bounds(from_ns: int | None, to_ns: int | None) -> tuple[int, int]:
    """The times in [from, to), limited to those that can be stored; None means no bound."""
    return (
        NEVER_NS if from_ns is None else max(from_ns, NEVER_NS),
        END_OF_TIME_NS if to_ns is None else min(to_ns, END_OF_TIME_NS),
    )
