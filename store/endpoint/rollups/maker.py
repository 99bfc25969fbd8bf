"""Makes rollup tables: the bins that are over, and again those in which rows have come or changed since.

What has changed is told by the commits of the table, so nothing is forgotten in a crash: a bin is made from all rows
that there are, and how far a table is made is saved after its records are stored. The version of the records is the
time at which the making began, so that whatever is made again replaces what was there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from store.catalog.catalog import TableInfo
from store.catalog.rollup_table import RollupTable
from store.catalog.schema import Column
from store.endpoint.context import Context
from store.endpoint.errors import EndpointError
from store.endpoint.observing import NotObserved, Observer
from store.endpoint.rollups.made import Lost, Made, begin, made_of, save
from store.endpoint.rollups.making import Making
from store.endpoint.rollups.statement import due_ranges, measures_of
from store.endpoint.scheduled.derived import Deriving
from store.endpoint.write import WriteRecords, find_table
from store.errors import StoreError
from store.reading.changes import Changes
from store.reading.rollup_tables import first_whole_bin_ns
from store.record import TableId

log = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0
SETTLED_NS = 60_000_000_000  # after its end a bin is made: most rows have come, and are committed
SAVE_EVERY_NS = 10_000_000_000  # while it takes longer
SAVE_COMMITS = 50  # that changed no bin, so that they are not read again


@dataclass(frozen=True, slots=True)
class RollupMaker:
    """Makes tables in one event loop.

    call_for  a call for an account, as if a client had asked
    refusals  errors by which the writer, or the runner of queries, reports overload
    owner     the name of this worker; "" if there is no other
    observer  is told of what is made
    """

    write: WriteRecords
    call_for: Callable[[str], Context]
    refusals: tuple[type[Exception], ...]
    rollups: Sequence[RollupTable]
    owner: str = ""
    observer: Observer = field(default_factory=NotObserved)

    async def work(self) -> None:
        """Make what is due, every few seconds, until cancelled. Returns at once if there are no rollup tables."""
        while self.rollups:
            await self.make_due()
            await asyncio.sleep(LOOK_EVERY_S)

    async def make_due(self) -> None:
        """Make the bins of all accounts that are due."""
        for info, rollup in await asyncio.to_thread(lambda: list(self._tables())):
            try:
                await self._make(info, rollup)
            except Lost:
                continue
            except self.refusals as error:
                log.info("the rollup table %s.%s waits: %s", *rollup.target, error)
            except (EndpointError, StoreError, OSError) as error:
                log.warning("the rollup table %s.%s waits: %s", *rollup.target, error)
            except Exception:  # whatever it is, the others are made
                log.exception("the rollup table %s.%s waits", *rollup.target)

    def _tables(self) -> Iterator[tuple[TableInfo, RollupTable]]:
        catalog = self.call_for("").store.catalog
        catalog.refresh(now=True)
        for info in catalog.all_tables():
            for rollup in self.rollups:
                if rollup.source == (info.table.database, info.table.table):
                    yield info, rollup

    async def _make(self, info: TableInfo, rollup: RollupTable) -> None:
        """Make the bins that are due. Raises Lost, EndpointError, StoreError, OSError."""
        call, name = self.call_for(info.table.account), ".".join(rollup.target)
        catalog, account = call.store.catalog, info.table.account
        made = made_of(catalog, account, name, info.created_ns)
        found, columns = await asyncio.to_thread(self._changes, info.table, rollup, made)
        retention_ns = min(info.settings.retention_ns, rollup.retention_ns)
        first_ns = first_whole_bin_ns(call.now_ns, retention_ns, rollup.bin_ns)
        end_ns = (call.now_ns - SETTLED_NS) // rollup.bin_ns * rollup.bin_ns
        oldest_ns = end_ns if found.from_ns is None else found.from_ns
        ranges = due_ranges(found.slots, made.made_to_ns, first_ns, oldest_ns, end_ns, rollup.bin_ns)
        ranges = ranges if measures_of(columns) else []
        behind_ns = end_ns - max(made.made_to_ns, oldest_ns, first_ns) if ranges else 0
        self.observer.rollup_behind(name, max(behind_ns, 0) / 1e9)
        if not ranges and found.version - made.version < SAVE_COMMITS:
            return
        made = await asyncio.to_thread(begin, catalog, account, name, info.created_ns, self.owner, call.now_ns)
        deriving = Deriving(self.write, self.call_for, account, self.refusals, made.trigger_ns)
        target = await asyncio.to_thread(find_table, call.store, TableId(account, *rollup.target))
        making, began_s, records = Making(deriving, rollup, target, columns, found), time.perf_counter(), 0
        for from_ns, to_ns in ranges:
            records += await making.make(from_ns, to_ns)
            now_ns = self.call_for(account).now_ns
            if now_ns - made.seen_ns >= SAVE_EVERY_NS:
                made.seen_ns = now_ns
                if found.slots is None or from_ns >= made.made_to_ns:  # all that has changed before is made
                    made.version, made.made_to_ns = found.version, to_ns
                await asyncio.to_thread(save, catalog, account, name, made)
        made.version, made.made_to_ns, made.owner = found.version, max(end_ns, made.made_to_ns), ""
        await asyncio.to_thread(save, catalog, account, name, made)
        self.observer.rollup_made(name, time.perf_counter() - began_s, records)
        self.observer.rollup_behind(name, 0.0)

    def _changes(self, table: TableId, rollup: RollupTable, made: Made) -> tuple[Changes, Sequence[Column]]:
        with self.call_for(table.account).store.snapshot(table.account) as snapshot:
            found = snapshot.changes(table, made.version, rollup.bin_ns)
            return found, snapshot.schema(table.database, table.table).columns
