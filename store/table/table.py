"""One table: applies batches of records, gives readers a consistent view of both tiers, and is maintained.

This class is the whole interface of `store.table`; tiers, locks and marks are internal (`store.table.core`).

`apply` runs in the thread that reads the log. Its only I/O is looking up keys that are older than the rows in RAM, and
registering columns. The methods for maintenance are in `store.table.care`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np

from store.catalog.catalog import TableInfo
from store.catalog.contents import ByMeasureName
from store.catalog.deletion import Chosen
from store.catalog.schema import Column, Columns, TableSchema
from store.engine.duck import Cursor, Duck
from store.errors import MagneticUnavailable
from store.magnetic.tier import MagneticTier, Version
from store.magnetic.versions import Newest
from store.memory.lasts import LastValues
from store.memory.newness import Bools
from store.reading.scan import BaseVersion, MemoryView
from store.record import Applied, Int64s, Outcome, RecordBatch, SeriesIndex, TableId
from store.state.pending_rows import Entry
from store.state.positions import Positions
from store.state.series import SavedSeries
from store.table import pending_rows, recovery, views
from store.table.care import CaredFor
from store.table.core import Core
from store.table.deletions import Deleted, Deletion
from store.table.intake import admit, fitted, put
from store.table.standing import find_standing
from store.table.upsert import settle, sort


class Table(CaredFor):
    """The tiers, series and columns of one table, as seen by the owner of `own_partition`."""

    def __init__(
        self,
        info: TableInfo,
        index: SeriesIndex,
        duck: Duck,
        magnetic: MagneticTier,
        saved_series: SavedSeries,
        positions: Positions,
        own_partition: str,
        *,
        is_sole_writer: bool,
    ) -> None:
        """Create it empty; `restore` must follow. `is_sole_writer`: no other process writes the table."""
        super().__init__(
            Core(info, index, duck, magnetic, saved_series, positions, own_partition, is_sole_writer=is_sole_writer)
        )

    @property
    def id(self) -> TableId:
        """The table's full name."""
        return self._core.id

    @property
    def own_partition(self) -> str:
        """The partition whose rows this object writes."""
        return self._core.own_partition

    @property
    def info(self) -> TableInfo:
        """The catalog's entry of the table when it was opened."""
        return self._core.info

    @property
    def is_dropped(self) -> bool:
        """Whether the table was closed: nothing is applied or flushed any more."""
        return self._core.is_dropped

    # The log's side

    def apply(self, batch: RecordBatch, now_ns: int, store_rows: int) -> Applied:
        """Apply a batch; returns the outcome of each record. `now_ns` is monotonic and determines when to flush.

        Raises MagneticUnavailable; then nothing of the batch is applied.
        """
        core = self._core
        covered = self.covered_to(batch.partition)
        batch = fitted(core, batch, covered)
        with core.lock:
            if core.is_dropped:
                skipped = np.full(len(batch), Outcome.SKIPPED, np.uint8)
                return Applied(skipped, np.zeros(len(batch), np.int64))
            core.now_ns = now_ns
            admitted = admit(core, batch, covered)
            applied = Applied(admitted.outcomes, np.zeros(len(batch), np.int64))
            rows = admitted.incoming
            if rows is not None:
                found = sort(rows, core.state)
                try:
                    standing = find_standing(core, *found.asked_for)
                except MagneticUnavailable:
                    core.sequencer.undo(batch.partition)
                    raise
                verdicts = settle(found, standing)
                applied.outcomes[admitted.at] = verdicts.outcomes
                applied.existing_version[admitted.at] = verdicts.existing_version
                put(core, batch.partition, rows, verdicts, store_rows)
            core.applied_records += len(batch)
            return applied

    @property
    def applied_records(self) -> int:
        """How many records were applied since it was opened, whatever their outcome. Any thread."""
        return self._core.applied_records

    def delete(self, offset: int, chosen: Chosen, now_ns: int, store_rows: int, *, is_purge: bool) -> Future[Deleted]:
        """Apply a DELETE at this offset of the own partition; its outcome, once the maintenance has carried it out."""
        core, deletion = self._core, Deletion(offset, chosen, is_purge)
        with core.lock:
            if core.is_dropped or (offset <= self.covered_to(core.own_partition) and not is_purge):
                deletion.outcome.set_result(Deleted(None))
                return deletion.outcome
            if offset <= self.covered_to(core.own_partition):
                core.deleted.append(deletion)
                return deletion.outcome
            core.add_new_series()
            core.memory.insert_head(core.now_ns)
            core.state.forget_rows()
            core.deletions.append(deletion)
            core.progress.applied(core.own_partition, offset)
            core.progress.stored(core.own_partition, offset, offset, now_ns, store_rows)
        return deletion.outcome

    def covered_to(self, partition: str) -> int:
        """The offset up to which records of `partition` must not be applied again."""
        return self._core.progress.covered_to(partition, self._core.magnetic.version.positions)

    def is_applied_beyond(self, positions: Mapping[str, int]) -> bool:
        """Whether a record with an offset beyond these positions was applied."""
        return self._core.progress.is_applied_beyond(positions)

    # The readers' side

    def stored_columns(self) -> tuple[Column, ...]:
        """The dimensions and measures that rows have now."""
        with self._core.lock:
            return self._core.columns.stored.stored()

    @property
    def measure_count(self) -> int:
        """The number of stored measures. Any thread."""
        return len(self._core.columns.stored.measures)

    def schema(self, info: TableInfo) -> TableSchema:
        """The current columns that readers see."""
        with self._core.lock:
            return self._core.columns.schema(info)

    def last_times(self) -> Int64s:
        """The newest event time of each series, by id; negative for a series without rows."""
        return self._core.state.last_ns[: len(self._core.index)].copy()

    def contents(self) -> ByMeasureName | None:
        """What the stored records of each measure name have; None if that is not known yet. Any thread."""
        with self._core.lock:
            return self._core.contents.now()

    @property
    def index(self) -> SeriesIndex:
        """The index of its series."""
        return self._core.index

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While nothing is applied; briefly."""
        with self._core.lock:
            yield

    def is_followed(self, measure: Column) -> bool:
        """Whether the last values of a stored measure are followed."""
        return self._core.lasts.is_followed(measure.physical)

    def follow(self, measure: Column) -> LastValues:
        """The last values of a stored measure, followed from now on."""
        with self._core.lock:
            return self._core.lasts.follow(measure.physical, measure.type.arrow)

    def may_have(self, measure: Column) -> Bools:
        """For each series whether it may have rows with a value of this stored measure."""
        with self._core.lock:
            contents, keys = self._core.contents.now(), self._core.index.keys
        without = {name for name, of in (contents or {}).items() if measure.physical not in of.measures}
        count = len(keys)
        if not without:
            return np.ones(count, np.bool_)
        return np.array([key.measure_name not in without for key in keys[:count]], np.bool_)

    def cursor(self) -> Cursor:
        """A cursor for queries over its views; must be closed."""
        return self._core.duck.cursor()

    def pin_beyond(self, base: BaseVersion) -> MemoryView:
        """The rows in RAM of everything applied so far, to be read together with this version, until `unpin`.

        Raises Behind if some rows beyond the version, or its superseded times, are no longer known.
        """
        return views.pin_beyond(self._core, base)

    def unpin(self, view: MemoryView) -> None:
        """Release a view."""
        views.unpin(self._core, view)

    def newest(self) -> Newest:
        """The current version for readers, and the known columns."""
        core = self._core
        with core.lock:
            columns = Columns.of((*core.columns.stored.stored(), *core.magnetic.columns()))
            return Newest(core.magnetic.version, columns, core.magnetic.data, core.magnetic.location)

    def position_of(self, partition: str, *, at_least: int = -1) -> int:
        """The offset up to which the magnetic tier has all rows of `partition`.

        If it is lower than `at_least`, waits for a commit that may be in progress.
        """
        position = self._core.magnetic.version.positions.get(partition, -1)
        if position < at_least:
            with self._core.io_lock:  # a commit of this store may be done and not yet published
                position = self._core.magnetic.version.positions.get(partition, -1)
        return position

    # Columns

    def update_columns(self, info: TableInfo) -> None:
        """Adopt decisions about its columns, if `info` is of this table."""
        core = self._core
        if info.changes != core.columns.changes and core.info.is_same_table(info):
            core.columns.changes = info.changes
            core.index.retyped += 1

    # Opening

    def restore(self, zone: str | None, may_hold_unknown_series: Callable[[Version], bool]) -> None:
        """Load what is saved of the table; `zone` is its zone template."""
        recovery.restore(self._core, zone, may_hold_unknown_series)

    def restore_saved(self, entry: Entry, now_ns: int) -> None:
        """Put pending rows back into RAM, except those that the table already has."""
        pending_rows.restore(self._core, entry, self.covered_to, now_ns)

    @property
    def set_aside(self) -> list[str]:
        """Damaged commits of the magnetic tier that were set aside when it was opened."""
        return [f"{self._core.magnetic}: {name}" for name in self._core.magnetic.set_aside]

    def drop(self) -> None:
        """Close a table that was deleted. Waits for work on its files to finish."""
        with self._core.io_lock:
            self.close()

    def close(self) -> None:
        """Close it together with its store: nothing is applied or flushed any more. Does not wait."""
        with self._core.lock:
            if not self._core.is_dropped:
                self._core.is_dropped = True
                self._core.memory.drop()
                for deletion in (*self._core.deletions, *self._core.deleted):
                    deletion.outcome.cancel()  # the next owner carries it out


def newest_row_ns(tables: Iterable[Table]) -> int | None:
    """The latest event time of all rows; None if there are no rows."""
    last = [int(times.max()) for table in tables if len(times := table.last_times())]
    newest_ns = max(last, default=-1)
    return newest_ns if newest_ns >= 0 else None
