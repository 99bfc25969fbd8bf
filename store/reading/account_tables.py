"""The tables of one account as of one moment: what a query may know and read, whichever process runs it.

Each table is pinned at its first use: a Delta version, the rows beyond it in this process, and the rows that the owners
of other partitions send. `Snapshot` reads them in this process, `Lender` lends them to a query process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np
from msgspec import structs

from store.catalog.catalog import Catalog, TableInfo
from store.catalog.contents import ByMeasureName, together
from store.catalog.schema import BY_MEASURE_NAME, TableSchema
from store.engine.duck import Cursor, Duck
from store.errors import DamagedRows, MagneticTierError
from store.host_time import visible_from_ns
from store.magnetic.history import version_at
from store.magnetic.tier import Version
from store.magnetic.versions import Versions
from store.memory.newness import NEVER_NS
from store.reading.partials import Partials, is_known
from store.reading.past import AsOf
from store.reading.pinned import Pinned, PinnedTables, Replies
from store.reading.scan import END_OF_TIME_NS, MemoryView, Selection
from store.reading.tail import Gather, Partition, PinnedRows, TailReply, TailRequest
from store.record import Int64s, TableId


class AccountTables:
    """Names, columns and pinned rows. A context manager; one thread uses it."""

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
        """Use `Store.snapshot` and `Store.lender`. `stores` are those of this process."""
        self._account = account
        self._catalog = catalog
        self._duck = duck
        self._cursor: Cursor = duck.cursor()
        self._clock_ns = clock_ns
        self._partitions = partitions
        self._stores = stores
        self._pinned = PinnedTables(catalog, versions, partitions, stores, gather)
        catalog.refresh()

    @property
    def account(self) -> str:
        """Whose tables these are."""
        return self._account

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release every table; also if they are released already."""
        self._pinned.close()
        self._cursor.close()

    def look_for_newest(self) -> None:
        """Read the newest catalog and versions, for a list of databases, tables or columns that must be complete."""
        self._catalog.refresh(now=True)
        self._pinned.looks_for_newest = True

    def look_for_deleted(self) -> None:
        """Raises UnknownTable if any worker has deleted one of the tables while it is read."""
        self._pinned.look_for_deleted()

    def databases(self) -> list[str]:
        """The names of the account's databases."""
        return [database.name for database in self._catalog.databases(self._account)]

    def tables(self, database: str) -> list[str]:
        """The names of the database's tables. Raises UnknownDatabase."""
        return [info.table.table for info in self._catalog.tables(self._account, database)]

    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns and settings. Raises UnknownDatabase, UnknownTable."""
        return self._pinned.table(TableId(self._account, database, table)).schema

    def contents(self, database: str, table: str) -> ByMeasureName | None:
        """What the table's records of each measure name have, without a look at them; None if that is not known.

        Waits for the owners of all partitions. Raises UnknownDatabase, UnknownTable, PartitionSilent.
        """
        of = TableId(self._account, database, table)
        nothing = selection_of(0, 0, None)
        pinned, replies = self._pinned.ask(
            of, lambda pinned: structs.replace(self._request(pinned, nothing, ()), wants_contents=True)
        )
        found = [reply.contents if isinstance(reply, TailReply) else reply.table.contents() for reply in replies]
        if pinned.schema.stored:  # readers see other columns than rows have
            return None
        known = [contents for contents in found if contents is not None]
        return together(known) if len(known) == len(found) else None

    def renew(self) -> bool:
        """Look for new columns of the pinned tables, before one is reported missing; returns whether there are any.

        A column that another worker has added less than a second ago may be unknown here.
        """
        return self._pinned.renew()

    def drop_damaged(self, database: str, table: str, path: str) -> bool:
        """Have a file that this query found damaged removed from its table; returns whether it reads it no more.

        The maintenance would do it, and the query fail. It is done only for a file of the version that this query
        reads, and only if it is damaged.
        """
        of = TableId(self._account, database, table)
        newest = self._pinned.table(of).newest
        try:
            for file in (file for file in newest.version.files if file.path == path):
                newest.data.check_again(file)
        except DamagedRows:
            with suppress(MagneticTierError):  # another writer was faster, or the storage does not respond
                for used in (store.opened(of) for store in self._stores):
                    if used is not None and used.drop_damaged():
                        break
        self._pinned.pin_newer(of)
        return all(file.path != path for file in self._pinned.table(of).newest.version.files)

    def _version_at(self, table: TableId, as_of: AsOf) -> tuple[Pinned, Version, int]:
        """The table, an earlier version of it, and the time from which on its rows are visible.

        Raises UnknownDatabase, UnknownTable, QueryFailed.
        """
        pinned = self._pinned.table(table)
        newest = pinned.newest
        version = version_at(
            newest.location,
            newest.data,
            newest.version,
            time_ns=as_of.time_ns,
            number=as_of.number,
            now_ns=self._catalog.now_ns(),
        )
        return pinned, version, self._visible_from_ns(pinned.info, version, ())

    def is_alone(self) -> bool:
        """Whether all partitions are in this process, so that no other one has rows."""
        return len(self._stores) >= len(self._partitions)

    def _ask(
        self, table: TableId, selection: Selection, columns: Collection[str] | None, partials: Partials | None = None
    ) -> tuple[Pinned, Replies, Int64s]:
        """The table, the rows beyond its version or partial aggregates of them, and the superseded times of both.

        Waits for the owners of all partitions. Raises UnknownDatabase, UnknownTable, PartitionSilent.
        """

        def request_of(pinned: Pinned) -> TailRequest:
            asked = self._request(pinned, selection, columns)
            is_possible = partials is not None and is_known(partials, pinned.schema)
            return structs.replace(asked, partials=partials, seen=pinned.to_sequence) if is_possible else asked

        pinned, replies = self._pinned.ask(table, request_of)
        superseded = [reply.superseded_ns for reply in replies if isinstance(reply, TailReply)]
        superseded += [reply.memory.superseded_ns for reply in replies if isinstance(reply, PinnedRows)]
        return pinned, replies, superseded[0] if len(superseded) == 1 else np.unique(np.concatenate(superseded))

    def _request(self, pinned: Pinned, selection: Selection, columns: Collection[str] | None) -> TailRequest:
        table, version = pinned.info.table, pinned.newest.version
        listed = {name: sorted(values) for name, values in (selection.dimensions or {}).items()}
        measure_names = listed.pop(BY_MEASURE_NAME, None)
        return TailRequest(
            table.account,
            table.database,
            table.table,
            pinned.info.incarnation,
            version.number,
            {partition: version.positions.get(partition, -1) for partition in self._partitions},
            max(selection.from_ns, self._visible_from_ns(pinned.info, version, ())),
            selection.to_ns,
            listed or None,
            None if columns is None else sorted(columns),
            measure_names=measure_names,
        )

    def _visible_from_ns(self, info: TableInfo, version: Version, memory: Iterable[MemoryView]) -> int:
        starts = [file.from_ns for file in version.files] + [chunk.from_ns for of in memory for chunk in of.chunks]
        return visible_from_ns(min(starts, default=END_OF_TIME_NS), info.settings.retention_ns, self._clock_ns())


def memory_of(replies: Replies) -> tuple[MemoryView, ...]:
    """The pinned rows of this process."""
    return tuple(reply.memory for reply in replies if isinstance(reply, PinnedRows))


def whole_from_ns(replies: Replies) -> int:
    """The time from which on the RAM of this process has all rows; the end of time if other processes have some."""
    memory = memory_of(replies)
    return max(of.whole_from_ns for of in memory) if len(memory) == len(replies) else END_OF_TIME_NS


def selection_of(
    time_from_ns: int | None, time_to_ns: int | None, dimensions: Mapping[str, Collection[str]] | None
) -> Selection:
    """Rows with times in [from, to), limited to those that can be stored; None means no bound."""
    return Selection(
        NEVER_NS if time_from_ns is None else max(time_from_ns, NEVER_NS),
        END_OF_TIME_NS if time_to_ns is None else min(time_to_ns, END_OF_TIME_NS),
        None,
        dimensions,
    )
