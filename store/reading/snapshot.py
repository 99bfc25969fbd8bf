"""A snapshot of an account's tables: what a query reads from, unmoved by what is applied, flushed, compacted meanwhile.

Each table is pinned when it is first asked for. Used by one thread; several snapshots at once are fine.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.catalog import Catalog, TableInfo
from store.catalog.schema import TableSchema
from store.engine.duck import Cursor, Duck, run
from store.host_time import visible_from_ns
from store.magnetic.tier import Version
from store.memory.newness import NEVER_NS
from store.reading.scan import END_OF_TIME_NS, MemoryView, Selection, TableView, text
from store.reading.series import LISTED, series_of
from store.reading.tail import Readable
from store.record import TableId


class Snapshot(ABC):
    """Reads the tables of one account. A context manager."""

    def __init__(self, account: str, catalog: Catalog, duck: Duck, clock_ns: Callable[[], int]) -> None:
        """Made by the store."""
        self._account = account
        self._catalog = catalog
        self._cursor: Cursor = duck.cursor()
        self._clock_ns = clock_ns
        self._registered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what it reads from."""
        self._cursor.close()

    def look_anew(self) -> None:
        """Have every database, table and column there is at this moment, whoever made it: before they are listed."""
        self._catalog.refresh(now=True)

    def databases(self) -> list[str]:
        """Names of the account's databases."""
        return [database.name for database in self._catalog.databases(self._account)]

    def tables(self, database: str) -> list[str]:
        """Names of the database's tables. Raises UnknownDatabase."""
        return [info.table.table for info in self._catalog.tables(self._account, database)]

    @abstractmethod
    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns and settings. Raises UnknownDatabase, UnknownTable."""

    def renew(self) -> bool:
        """Look for columns that tables asked about have got by now, and whether there are any: before one is missed."""
        return False

    @abstractmethod
    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
    ) -> str:
        """The text of a parenthesised DuckDB subquery for the rows of `table` with times in [from, to).

        Columns have their physical names. `dimensions` keeps the rows whose stored dimension has one of the values,
        exactly: of a dimension with an `expression` that says nothing.
        Run it with `execute` of this snapshot only. Raises UnknownDatabase, UnknownTable.
        """

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The result of a DuckDB query over sources of this snapshot. Raises what `store.engine.duck.run` does."""
        return run(self._cursor, sql, parameters)

    def _visible_from_ns(self, info: TableInfo, version: Version, memory: Iterable[MemoryView]) -> int:
        starts = [file.from_ns for file in version.files] + [chunk.from_ns for of in memory for chunk in of.chunks]
        return visible_from_ns(min(starts, default=END_OF_TIME_NS), info.settings.retention_ns, self._clock_ns())

    def _register(self, kind: str, rows: pa.Table) -> str:
        """The name under which queries of this snapshot find `rows`."""
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


class StoreSnapshot(Snapshot):
    """Reads tables whose tiers are all in this process."""

    def __init__(
        self,
        account: str,
        catalog: Catalog,
        duck: Duck,
        clock_ns: Callable[[], int],
        table_of: Callable[[TableId], Readable],
    ) -> None:
        """Made by `Store.snapshot`."""
        super().__init__(account, catalog, duck, clock_ns)
        self._table_of = table_of
        self._views: dict[TableId, tuple[Readable, TableView]] = {}

    def close(self) -> None:
        """Unpin every table."""
        for table, view in self._views.values():
            table.unpin(view.memory[0])
        self._views.clear()
        super().close()

    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns and settings. Raises UnknownDatabase, UnknownTable."""
        return self._view(TableId(self._account, database, table)).schema

    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
    ) -> str:
        """See `Snapshot`."""
        view = self._view(table)
        memory = view.memory[0]
        series = None if dimensions is None else [series_of(self._cursor, view.schema, memory, dimensions)]
        return self._text(view, Selection(*bounds(time_from_ns, time_to_ns), series, dimensions))

    def _view(self, table: TableId) -> TableView:
        pinned = self._views.get(table)
        if pinned is None:
            info = self._catalog.table(table)
            used = self._table_of(table)
            schema, memory, data = used.pin(info)
            seen_from_ns = self._visible_from_ns(info, memory.version, [memory])
            view = TableView(
                schema, (memory,), memory.whole_from_ns, memory.version, data, memory.superseded_ns, seen_from_ns
            )
            pinned = self._views[table] = (used, view)
        return pinned[1]


def bounds(from_ns: int | None, to_ns: int | None) -> tuple[int, int]:
    """The times in [from, to) as they can be stored; None is no bound."""
    return (
        NEVER_NS if from_ns is None else max(from_ns, NEVER_NS),
        END_OF_TIME_NS if to_ns is None else min(to_ns, END_OF_TIME_NS),
    )
