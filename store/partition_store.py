"""The store of one partition: its tables, written from the log by the owner of the partition.

The log is its write-ahead log: rows that are applied and not flushed are lost with the process, and are read again from
`replay_from`. Threads: one applies batches (in log order), one maintains, and any number read through snapshots of the
whole store (`store.store`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future

import numpy as np

from store import tails
from store.catalog.adopt import retyped
from store.catalog.catalog import Catalog
from store.catalog.deletion import NOTHING, Chosen
from store.catalog.schema import Columns
from store.errors import Fenced, MagneticUnavailable, RequestError, UnknownDatabase, UnknownTable
from store.last_values import Latest, latest_of
from store.load_back import LoadBack
from store.log_progress import LogProgress
from store.magnetic.tier import Version
from store.memory.room import MemoryRoom
from store.objects.outage import Outage
from store.open_tables import OpenTables
from store.partition_backend import PartitionBackend
from store.reading.tail import PinnedRows, TailReply, TailRequest
from store.record import Applied, Int64s, MeasureType, Outcome, RecordBatch, SeriesRegistry, TableId
from store.replaying import read_again
from store.sql import SqlError
from store.sql.deletion import OneTable, deletion_of
from store.table import column_work
from store.table.deletions import Deleted
from store.table.table import Table
from store.upkeep import Upkeep

log = logging.getLogger(__name__)


class PartitionStore:
    """The rows of one partition, in tables that all partitions share.

    `is_fenced`: another worker owns the partition, or rows that were applied here have become invalid. Nothing is
    applied or written any more; close the store, and open it again if this worker still owns the partition.
    """

    registry: SeriesRegistry
    catalog: Catalog
    outage: Outage
    tables: OpenTables

    def __init__(
        self,
        backend: PartitionBackend,
        memory_limit_bytes: int,
        clock_ns: Callable[[], int],
        monotonic_ns: Callable[[], int],
        since: Mapping[str, int],
    ) -> None:
        """Use `Store.take`."""
        self._backend = backend
        self._clock_ns = clock_ns
        self._monotonic_ns = monotonic_ns
        self._positions = backend.positions
        self._progress = LogProgress()
        self.outage = Outage()
        self.tables = OpenTables(backend)
        self.registry = self.tables.registry
        self.catalog = backend.catalog
        self.limits = backend.limits
        saved = backend.pending_rows.load(self._positions.pending_rows)
        if saved is None:
            self._positions.forget()
            saved = {}
        opened = self.tables.open_all(self.catalog.all_tables())
        for used in opened:
            if used.id in saved:
                used.restore_saved(saved[used.id], monotonic_ns())
        column_work.adopt_all(self.catalog, opened, self._positions.partitions, since, clock_ns())
        read_again(self._positions, backend.own_partition, self.tables.all())
        for partition, low_watermark in self._positions.low_watermarks.items():
            self._progress.advance(partition, low_watermark - 1)
        room = MemoryRoom(self.table_bytes, memory_limit_bytes)
        self.load_back = LoadBack(room, is_possible=backend.has_all_rows)
        self._upkeep = Upkeep(
            self.tables,
            self._progress,
            self._positions,
            backend.pending_rows,
            room,
            self.load_back,
            self.outage,
            clock_ns,
            monotonic_ns,
        )

    def apply(self, batch: RecordBatch) -> Applied:
        """Apply a batch; returns the outcome of each record. The rows are visible to queries at once.

        One thread calls it, in log order. A table of the configuration is created by its first record. Records of a
        deleted table are skipped, and so are records that the table's own position covers; values that a table cannot
        hold (`store.catalog.fit`) are rejected. The content of a batch never causes an exception. Raises
        MagneticUnavailable if the storage of the magnetic tier is needed and does not respond: then nothing of the
        batch is applied (see `unavailable`).
        """
        table = None if self.is_fenced or not len(batch) else self.tables.to_write(batch.table)
        if table is None:
            return Applied(np.full(len(batch), Outcome.SKIPPED, np.uint8), np.zeros(len(batch), np.int64))
        self._progress.rows += len(batch)
        return table.apply(batch, self._monotonic_ns(), self._progress.rows)

    def delete(self, table: TableId, offset: int, text: str, now_ns: int, *, is_purge: bool) -> Future[Deleted]:
        """Apply the DELETE `text` of the log, in which `now()` is `now_ns`; its outcome, once it is carried out.

        It deletes rows with lower offsets; called as `apply` is. With `is_purge` also from files that only earlier
        versions have. The outcome is cancelled if the store is closed before: the next owner carries it out. Raises
        MagneticUnavailable.
        """
        try:
            used = self.tables.to_read(table)
            chosen = self._chosen(used, text, now_ns)
        except RequestError:  # the table was deleted
            chosen, used = NOTHING, None
        if used is None or self.is_fenced:
            nothing: Future[Deleted] = Future()
            nothing.set_result(Deleted(0))
            return nothing
        return used.delete(offset, chosen, self._monotonic_ns(), self._progress.rows, is_purge=is_purge)

    def has_deleted(self, table: TableId, offset: int) -> bool:
        """Whether the DELETE at this offset is carried out, or the table it was about is gone. Any thread."""
        used = self.tables.find(table)
        if used is None:
            return self.low_watermark(self.own_partition) > offset
        return used.position_of(self.own_partition) >= offset

    def _chosen(self, table: Table, text: str, now_ns: int) -> Chosen:
        for may_refresh in (True, False):
            try:
                return deletion_of(OneTable(table.schema(self.catalog.table(table.id))), text, now_ns).chosen
            except SqlError as error:
                if not may_refresh:
                    log.error("%s: a DELETE that was accepted is not understood: %s", table.id, error)  # noqa: TRY400
                    return NOTHING
                try:
                    table.refresh()  # another worker has added a dimension
                except Fenced as fenced:
                    self.tables.is_fenced_by(str(fenced))
                    return NOTHING
        raise AssertionError("the second try returns")

    def unavailable(self, error: MagneticUnavailable) -> float:
        """Record that the storage of the magnetic tier did not respond; returns the seconds until the next attempt.

        Any thread.
        """
        now_ns = self._monotonic_ns()
        if not self.outage.is_waiting(now_ns):
            self.outage.failed(now_ns, error)
        return self.outage.wait_s(now_ns)

    def advance(self, partition: str, offset: int) -> None:
        """Record that every record of every frame of `partition` up to and including `offset` has been applied.

        Raises KeyError for a partition that is not registered.
        """
        self._positions.number_of(partition)
        self._progress.advance(partition, offset)

    def replay_from(self, partition: str) -> int | None:
        """The first offset that must be read again after a restart; None for a partition without saved state."""
        return self._positions.low_watermarks.get(partition)

    def low_watermark(self, partition: str) -> int:
        """The offset of `partition` below which everything is durable: the log may be trimmed below it."""
        return self._positions.low_watermarks.get(partition, 0)

    def flush(self) -> None:
        """Make everything durable that is applied and advanced, before a normal stop. Does nothing if fenced."""
        self._upkeep.flush_all()

    def commit_all(self) -> None:
        """Commit the rows of every table, also if there are so many tables that their rows would become pending rows.

        Used if nobody continues with the pending rows. Rows that were saved there count as applied: they may be beyond
        the low watermark.
        """
        for table in self.all_tables():
            for partition, offset in table.saved_to.items():
                self.advance(partition, offset)
        for table in self.all_tables():
            self._upkeep.flush(table)

    def maintain(self) -> None:
        """Do all maintenance that is due, once. One background thread calls it repeatedly; it does all slow I/O.

        If the storage of the magnetic tier does not respond, it is tried again later (`outage`).
        """
        try:
            self._upkeep.run()
        except MagneticUnavailable as error:
            self.outage.failed(self._monotonic_ns(), error)

    def last_times(self, table: TableId) -> Int64s:
        """The newest event time of each series of `table`, by series id; negative for a series without rows.

        Empty for an unknown table. Any thread.
        """
        used = self.tables.find(table)
        return np.zeros(0, np.int64) if used is None else used.last_times()

    def applied_records(self, table: TableId) -> int:
        """How many records were applied to `table` since it was opened; 0 for an unknown table. Any thread."""
        used = self.tables.find(table)
        return 0 if used is None else used.applied_records

    def latest(self, table: TableId, measure: str, from_ns: int) -> Latest | None:
        """The newest value of a measure in each of its series, of rows with times ≥ `from_ns`; None without it.

        Any thread; may block: see `store.last_values`. Raises what it raises.
        """
        used = self.to_read(table)
        oldest_ns = self._clock_ns() - self.catalog.table(table).settings.retention_ns
        may_follow = sum(other.last_bytes for other in self.tables.of_process()) <= self._upkeep.room.most_rollup_bytes
        snapshot_of = self._backend.snapshot_of
        return latest_of(
            used, lambda: snapshot_of(table.account, self), measure, max(from_ns, oldest_ns), may_follow=may_follow
        )

    def measure_types(self, table: TableId) -> dict[str, MeasureType]:
        """The type of each measure of `table`; empty for an unknown table."""
        info = self.catalog.find(table)
        if info is None:
            return {}
        try:
            columns = self.tables.open(info).schema(self.catalog.table(table)).columns
        except (UnknownDatabase, UnknownTable):  # deleted in the meantime
            return {}
        return {column.name: column.type for column in columns if column.kind == "measure"}

    def column_counts(self, account: str) -> dict[TableId, int]:
        """The number of stored measures of each of the account's open tables: of all, if this store is alone."""
        return {used.id: used.measure_count for used in self.all_tables() if used.id.account == account}

    def open_texts(self, table: TableId) -> list[str]:
        """The text measures whose type is still open (see `settle_texts`); empty for an unknown table."""
        info = self.catalog.find(table)
        if info is None:
            return []
        decided = {*info.changes.texts, *info.changes.roles, *info.changes.asked, *info.settings.types}
        return [
            name
            for name, kind in self.measure_types(table).items()
            if kind is MeasureType.VARCHAR and name not in decided
        ]

    def asked_types(self, table: TableId) -> tuple[str, ...]:
        """The measures whose type an operator requested; none for an unknown table."""
        info = self.catalog.find(table)
        return () if info is None else info.changes.asked

    def settle_texts(self, table: TableId, measures: Iterable[str]) -> None:
        """Record durably that these measures remain text. Does nothing for an unknown table. Any thread."""
        self.catalog.change_columns({table: lambda info: info.changes.with_texts(measures)})
        self.update_columns()

    def retype(self, table: TableId, measure: str, kind: MeasureType, why: str) -> None:
        """Change the type of a measure from now on, durably, for all workers. Any thread.

        Raises UnknownDatabase, UnknownTable, CannotRetype.
        """
        columns, now_ns = Columns.of(self.to_read(table).stored_columns()), self.now_ns()
        column_work.decide(self.catalog, table, lambda info: retyped(info, columns, measure, kind, now_ns, why))
        self.update_columns()

    def update_columns(self) -> None:
        """Update the open tables with changes of their columns that any worker has made."""
        self.tables.update_columns()

    @property
    def is_fenced(self) -> bool:
        """Whether the store is fenced: nothing is applied or written any more."""
        return self.tables.is_fenced

    @property
    def own_partition(self) -> str:
        """The partition of this store."""
        return self._backend.own_partition

    def close(self) -> None:
        """Close all tables. Does not flush: rows that are not flushed are read again from the log."""
        self.tables.close()

    def now_ns(self) -> int:
        """The current time of the store's clock."""
        return self._clock_ns()

    @property
    def settled_ns(self) -> int:
        """The time used for deletions (`store.host_time.Settled`), as of the last maintenance; 0 before it."""
        return self._upkeep.settled_ns

    @property
    def is_clock_believed(self) -> bool:
        """Whether the host's time is used for deletions."""
        return self._upkeep.is_clock_believed

    def observe(self, observer: Callable[[str, float], None]) -> None:
        """Set the function that is called after each "flush" and "compaction" with its duration in seconds.

        It is called in the thread that maintains.
        """
        self._upkeep.observe = observer

    def table_bytes(self) -> int:
        """The size of the memory tier in bytes, with its rollups and last values."""
        asked = [table for table in self.tables.of_process() if table.is_asked]
        derived_bytes = sum(table.rollup_bytes + table.last_bytes for table in asked)
        return self._backend.duck.table_bytes() + derived_bytes

    def advanced(self) -> Mapping[str, int]:
        """Partition → the offset up to which every record is applied."""
        return self._progress.advanced()

    def all_tables(self) -> list[Table]:
        """The open tables."""
        return self.tables.all()

    def opened(self, table: TableId) -> Table | None:
        """The table if it is open, else None."""
        return self.tables.find(table)

    def to_read(self, table: TableId) -> Table:
        """The table, opened if necessary. Raises UnknownDatabase, UnknownTable."""
        return self.tables.to_read(table)

    def pin(self, request: TailRequest, version: Version | None) -> PinnedRows:
        """Pin its rows beyond the requested version, for a query in this process; see `tails`. Raises Behind."""
        return tails.pin(self.tables, self.own_partition, request, version)

    def tail(self, request: TailRequest) -> TailReply:
        """Its rows beyond the requested positions, for a query of another worker; see `tails`. Raises Behind."""
        return tails.tail(self.tables, self.own_partition, request)
