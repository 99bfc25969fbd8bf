"""The store of one partition: its tables, fed from the log by the partition's owner. Record batches in, rows out.

The log is its write-ahead log: what is applied and not yet flushed is lost with the process, and comes again from
`replay_from`. Threads: one applies (in log order), one maintains, any number read through snapshots of the whole store
(`store.store`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from store import tails
from store.catalog.adopt import retyped
from store.catalog.catalog import Catalog
from store.catalog.schema import Columns
from store.errors import MagneticUnavailable, UnknownDatabase, UnknownTable
from store.log_progress import LogProgress
from store.magnetic.tier import Version
from store.memory.room import MemoryRoom
from store.objects.outage import Outage
from store.open_tables import OpenTables
from store.partition_backend import PartitionBackend
from store.reading.tail import PinnedRows, TailReply, TailRequest
from store.record import Applied, Int64s, MeasureType, Outcome, RecordBatch, SeriesRegistry, TableId
from store.replaying import read_again
from store.table import column_work
from store.table.table import Table
from store.upkeep import Upkeep


class PartitionStore:
    """What one partition has of the tables that all partitions share.

    `is_fenced`: another worker has the partition, or what was applied here does not stand any more. Nothing is applied
    or written any more; close it, and take it again if the partition is still ours.
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
        saved = backend.pending_rows.load()
        opened = self.tables.open_all(self.catalog.all_tables())
        for used in opened:
            if used.id in saved:
                used.restore_saved(saved[used.id], monotonic_ns())
        column_work.adopt_all(self.catalog, opened, self._positions.partitions, since, clock_ns())
        read_again(self._positions, backend.own_partition, self.tables.all())
        for partition, low_watermark in self._positions.low_watermarks.items():
            self._progress.advance(partition, low_watermark - 1)
        self._upkeep = Upkeep(
            self.tables,
            self._progress,
            self._positions,
            backend.pending_rows,
            MemoryRoom(backend.duck.table_bytes, memory_limit_bytes),
            self.outage,
            clock_ns,
            monotonic_ns,
        )

    def apply(self, batch: RecordBatch) -> Applied:
        """Take in a batch; per record what became of it. Called by one thread, in log order; at once queryable.

        A table of the configuration comes to be with its first record. Records of a table that is not there any more
        are skipped, and so are those a table's own position covers; what a table cannot hold (`store.catalog.fit`) is
        rejected. Nothing that a batch holds makes it raise. Raises MagneticUnavailable if the storage of the magnetic
        tier is needed and away: nothing of the batch is applied then (see `unavailable`).
        """
        table = None if self.is_fenced or not len(batch) else self.tables.to_write(batch.table)
        if table is None:
            return Applied(np.full(len(batch), Outcome.SKIPPED, np.uint8), np.zeros(len(batch), np.int64))
        self._progress.rows += len(batch)
        return table.apply(batch, self._monotonic_ns(), self._progress.rows)

    def unavailable(self, error: MagneticUnavailable) -> float:
        """The magnetic tier's storage did not answer: after how many seconds to try again. Any thread."""
        now_ns = self._monotonic_ns()
        if not self.outage.is_waiting(now_ns):
            self.outage.failed(now_ns, error)
        return self.outage.wait_s(now_ns)

    def advance(self, partition: str, offset: int) -> None:
        """Every record of every frame of `partition` up to and including `offset` has been applied."""
        self._positions.number_of(partition)
        self._progress.advance(partition, offset)

    def replay_from(self, partition: str) -> int | None:
        """The first offset that must be read again after a restart; None for a partition never seen."""
        return self._positions.low_watermarks.get(partition)

    def low_watermark(self, partition: str) -> int:
        """Offsets of `partition` below it are durable here: the log may be trimmed below it."""
        return self._positions.low_watermarks.get(partition, 0)

    def flush(self) -> None:
        """Make everything applied and advanced durable: for a graceful end. Nothing if another worker took over."""
        self._upkeep.flush_all()

    def commit_all(self) -> None:
        """Commit every table's rows, also of so many that they would be pending rows: nobody goes on from here.

        What was saved counts as applied: it may reach further than the low watermark.
        """
        for table in self.all_tables():
            for partition, offset in table.saved_to.items():
                self.advance(partition, offset)
        for table in self.all_tables():
            self._upkeep.flush(table)

    def maintain(self) -> None:
        """One pass over what is due. Called again and again by one background thread; all heavy I/O is here.

        Storage of the magnetic tier that is away is asked again later (`outage`).
        """
        try:
            self._upkeep.run()
        except MagneticUnavailable as error:
            self.outage.failed(self._monotonic_ns(), error)

    def last_times(self, table: TableId) -> Int64s:
        """The newest event time of each series of `table`, by series id; negative for one that has no row yet.

        Empty for a table not there. Any thread.
        """
        used = self.tables.find(table)
        return np.zeros(0, np.int64) if used is None else used.last_times()

    def measure_types(self, table: TableId) -> dict[str, MeasureType]:
        """The type of each measure `table` has; empty for a table not there."""
        info = self.catalog.find(table)
        if info is None:
            return {}
        try:
            columns = self.tables.open(info).schema(self.catalog.table(table)).columns
        except (UnknownDatabase, UnknownTable):  # deleted at this very moment
            return {}
        return {column.name: column.type for column in columns if column.kind == "measure"}

    def open_texts(self, table: TableId) -> list[str]:
        """The measures of text whose type nobody has decided: see `settle_texts`. Empty for a table not there."""
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
        """The measures whose type an operator asked for. None of a table not there."""
        info = self.catalog.find(table)
        return () if info is None else info.changes.asked

    def settle_texts(self, table: TableId, measures: Iterable[str]) -> None:
        """Keep, durably, that these measures are text for good. Nothing of a table that is not there. Any thread."""
        self.catalog.change_columns({table: lambda info: info.changes.with_texts(measures)})
        self.take_in_changes()

    def retype(self, table: TableId, measure: str, kind: MeasureType, why: str) -> None:
        """Make a measure of this type from now on, durably, for all workers. Any thread.

        Raises UnknownDatabase, UnknownTable, CannotRetype.
        """
        columns, now_ns = Columns.of(self.to_read(table).stored_columns()), self.now_ns()
        column_work.decide(self.catalog, table, lambda info: retyped(info, columns, measure, kind, now_ns, why))
        self.take_in_changes()

    def take_in_changes(self) -> None:
        """Have the tables know what was decided, by whomever, about their columns."""
        self.tables.take_in_changes()

    @property
    def is_fenced(self) -> bool:
        """Whether nothing is applied or written any more."""
        return self.tables.is_fenced

    @property
    def own_partition(self) -> str:
        """The partition."""
        return self._backend.own_partition

    def close(self) -> None:
        """Close all tables. Does not flush: what is not flushed comes again from the log."""
        self.tables.close()

    def now_ns(self) -> int:
        """The time, by the store's clock."""
        return self._clock_ns()

    @property
    def settled_ns(self) -> int:
        """The time to delete by (`store.host_time.Settled`), as upkeep last knew it; 0 before its first pass."""
        return self._upkeep.settled_ns

    @property
    def is_clock_believed(self) -> bool:
        """Whether the host's time is the one to delete by."""
        return self._upkeep.is_clock_believed

    def observe(self, observer: Callable[[str, float], None]) -> None:
        """Have `observer` told of each "flush" and "compaction", and how many seconds it took. In upkeep's thread."""
        self._upkeep.observe = observer

    def table_bytes(self) -> int:
        """What the memory tier takes."""
        return self._backend.duck.table_bytes()

    def advanced(self) -> Mapping[str, int]:
        """By partition, up to where every record is applied."""
        return self._progress.advanced()

    def all_tables(self) -> list[Table]:
        """The tables that are open now."""
        return self.tables.all()

    def opened(self, table: TableId) -> Table | None:
        """The table, if it is open."""
        return self.tables.find(table)

    def to_read(self, table: TableId) -> Table:
        """The table, opened if it is not yet. Raises UnknownDatabase, UnknownTable."""
        return self.tables.to_read(table)

    def pin(self, request: TailRequest, version: Version | None) -> PinnedRows:
        """Its rows, to be read beside the version that is asked about; see `tails`. Raises Behind."""
        return tails.pin(self.tables, self.own_partition, request, version)

    def tail(self, request: TailRequest) -> TailReply:
        """What it has beyond the request's position: see `tails`. Raises Behind."""
        return tails.tail(self.tables, self.own_partition, request)
