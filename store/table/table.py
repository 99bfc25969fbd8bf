"""One table at work: takes in batches of records, and gives readers a consistent view of both tiers.

`apply` runs in the one thread that reads the log, and does no I/O but look-ups of keys older than RAM holds.
Maintenance (`store.upkeep`) runs in another, and holds the lock only to cut and to publish. The lock is never held
over a write to disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.catalog.catalog import TableInfo
from store.catalog.fit import unfit, without_conflicts
from store.catalog.present import measures_alone, schema_of, sibling
from store.catalog.schema import Column, Columns, TableSchema
from store.engine.duck import Duck
from store.errors import Behind, Overtaken, UnknownTable
from store.magnetic.tier import MagneticTier, Version
from store.memory.tier import Chunk, MemoryTier, Rows
from store.reading.scan import ChunkView, MemoryView
from store.record import Applied, Int64s, MeasureType, Outcome, RecordBatch, SeriesIndex
from store.sequence import OFFSET_BITS, Sequencer
from store.state.positions import StreamPositions
from store.state.series_file import SeriesKeeping
from store.table.lookup import find_magnetic
from store.table.recast import recast
from store.table.series_state import SeriesState
from store.table.superseded import SupersededTimes
from store.table.upsert import Accepted, decide

_log = logging.getLogger(__name__)

# An insert into DuckDB costs about 1 ms however small. Readers insert the head first, so its age does not matter.
INSERT_ROWS = 8_000


@dataclass(slots=True)
class Cut:
    """What a flush takes: rows beyond `behind` up to `positions`, and what of the table's state goes with them."""

    positions: dict[str, int]
    behind: Mapping[str, int]  # of the magnetic tier
    last_ns: Int64s
    superseded_ns: Int64s
    columns: Columns


@dataclass(frozen=True, slots=True)
class Beside:
    """The version that rows in RAM are read beside: its number and positions, and itself where it is known here."""

    number: int
    positions: Mapping[str, int]
    version: Version | None = None


class Table:
    """The tiers, series and columns of one table."""

    def __init__(
        self,
        info: TableInfo,
        index: SeriesIndex,
        duck: Duck,
        magnetic: MagneticTier,
        series_file: SeriesKeeping,
        positions: StreamPositions,
        own: str | None = None,
    ) -> None:
        """Empty; `store.table.recovery` fills it. `own` is the only stream of a store of a partition."""
        self.id = info.table
        self.info = info  # as it was opened
        self.changes = info.changes  # as of now
        self.own = own
        self.index = index
        self.lock = threading.RLock()
        self.io_lock = threading.Lock()  # held by whoever writes this table's files; taken before `lock`
        self.is_dropped = False
        self.magnetic = magnetic
        self.series_file = series_file
        self.columns = Columns()
        self.state = SeriesState()
        self.superseded = SupersededTimes(keeps_clearings=own is not None)
        self.unflushed: dict[str, int] = {}  # by stream: the first offset with rows that the magnetic tier may lack
        self.unflushed_since_ns: int | None = None
        self.unflushed_from_row = 0  # of the store's count of rows, at the first unflushed one
        self.last_offset: dict[str, int] = {}
        self.is_flushed_once = False
        self.saved: Mapping[str, int] = {}  # by stream: rows up to this offset are in the checkpoint
        self.unused_since_ns: dict[str, int] = {}  # files that no version has, for `vacuum`
        self._pinned: dict[int, tuple[Version, int]] = {}  # by version number, with how many views have it
        self.applied_to: dict[str, int] = {}  # by stream: the last record that was not skipped
        self.gone_to = -1  # of `own`: rows up to this offset may be in RAM no more
        self._series_registered = 0  # their dimensions are columns of the magnetic tier, where `own` has to see to that
        self._born = info.born
        self._positions = positions
        self._now_ns = 0  # of the batch being applied, by the monotonic clock
        self._sequencer = Sequencer()
        self.duck = duck
        self.memory = MemoryTier(duck, self.columns, index)

    # The log's side

    def covered_to(self, stream: str) -> int:
        """Records of `stream` up to this offset are not to be applied again."""
        positions = (self.magnetic.version.positions, self._born, self.saved)
        return max(position.get(stream, -1) for position in positions)

    def apply(self, batch: RecordBatch, now_ns: int, store_rows: int) -> Applied:
        """Take in a batch; what became of each record. `now_ns` is monotonic: for when its rows are to be flushed."""
        if self.is_changed or any(not self.columns.has_measure(*measure) for measure in batch.types.items()):
            batch = recast(batch, self._types_to_have(batch), self.duck)
        if self.own is not None:
            batch = self._register(batch)
        with self.lock:
            self._now_ns = now_ns
            applied = Applied(np.zeros(len(batch), np.uint8), np.zeros(len(batch), np.int64))
            if self.is_dropped:
                applied.outcomes[:] = Outcome.SKIPPED
                return applied
            sequence = self._sequencer.number(batch.stream, batch.offset)
            rows = np.flatnonzero(self._is_to_apply(batch, applied))
            if not len(rows):
                return applied
            if len(rows) < len(batch):
                batch, sequence = batch.take(rows), sequence[rows]
            self.applied_to[batch.stream] = int(batch.offset[-1])
            batch = without_conflicts(self._own(batch), self.columns, self.changes)
            self.know_series()
            first_new = decide(self, batch, sequence)
            applied.outcomes[rows] = first_new.outcomes
            applied.existing_version[rows] = first_new.existing_version
            self._note_unflushed(batch, first_new, now_ns, store_rows)
            if self.memory.head_rows >= INSERT_ROWS:
                self.memory.insert_head(now_ns)
            return applied

    def _register(self, batch: RecordBatch) -> RecordBatch:
        """Have the magnetic tier know what columns these records bring, before a row has them; blocks if they do.

        Whoever is first gives a column its type and physical name, and all workers have the same.
        """
        if int(batch.offset[-1]) <= self.covered_to(batch.stream):
            return batch
        batch = self._own(batch)
        names = [name for name in batch.measures if self._lacks(name, batch)]
        if names or len(self.index) > self._series_registered or (self.columns.zone is None and self.index.rezoned):
            self.register_columns({name: batch.types[name] for name in names})
        return batch

    def _lacks(self, name: str, batch: RecordBatch) -> bool:
        """Whether the measure of the batch needs a column that is not there; one that is refused needs none."""
        if self.columns.has_measure(name, batch.types[name]):
            return False
        is_refused = batch.by_version and self.columns.has_measure(name)
        return not is_refused or self.changes.type_of(name) is batch.types[name]

    def register_columns(self, measures: Mapping[str, MeasureType]) -> None:
        """Have the magnetic tier know these measures, and the dimensions of all series there are."""
        count = len(self.index)
        proposed = self.columns.copy()
        for key in self.index.keys[self._series_registered : count]:
            for name, _ in key.dimensions:
                proposed.dimension(name)
        if self._has_zones(self._series_registered, count):
            proposed.know_zone()
        for name, kind in measures.items():
            proposed.measure(name, kind)
        missing = proposed.stored_beside(self.columns)
        if missing:
            with self.io_lock:
                if self.is_dropped:
                    return
                columns = self.magnetic.register(missing)
                with self.lock:
                    for column in (*self.magnetic.columns(), *columns):  # in their order: who is first has the name
                        self.columns.add(column)
        self._series_registered = count

    def _is_to_apply(self, batch: RecordBatch, applied: Applied) -> npt.NDArray[np.bool_]:
        """Which rows are neither covered already nor unfit; the outcomes of the others are set."""
        covered = self.covered_to(batch.stream)
        wanted = np.ones(len(batch), np.bool_)
        if int(batch.offset[0]) <= covered:
            wanted = batch.offset > covered
            applied.outcomes[~wanted] = Outcome.SKIPPED
        found = unfit(batch, self.columns, self.changes)
        if found is not None:
            refused = found.rows & wanted
            applied.outcomes[refused] = Outcome.REJECTED
            wanted &= ~refused
            if refused.any():
                _log.warning(
                    "%s: %d records of %s up to offset %d are refused: %s",
                    self.id,
                    refused.sum(),
                    batch.stream,
                    batch.offset[-1],
                    "; ".join(found.reasons),
                )
        return wanted

    def accept(self, batch: RecordBatch, sequence: Int64s, columns: Mapping[str, pa.Array] | None = None) -> None:
        """Put rows, all of them, into the memory tier; with `columns`, by physical name, in place of its measures."""
        if columns is None:
            columns = {
                self.columns.measure(name, batch.types[name]).physical: values
                for name, values in batch.measures.items()
            }
        number = self._positions.number_of(batch.stream)
        self.memory.add(Rows(batch.series, batch.time_ns, batch.version, number, sequence, dict(columns)))

    def settled(self) -> list[int]:
        """Superseded times, ascending, of which only the magnetic tier is asked and has every row applied so far."""
        with self.lock:
            return self.superseded.settled(self.magnetic.version.positions, self.memory.whole_from_ns)

    def find_stored(self, batch: RecordBatch) -> dict[tuple[int, int], tuple[int, Mapping[str, object]]]:
        """Of the keys of `batch`, those stored: (series, time) → (version, values)."""
        self.memory.insert_head(self._now_ns)
        found = self.memory.find(batch.series, batch.time_ns, self.measures_now())
        early = np.flatnonzero(batch.time_ns < self.memory.whole_from_ns)
        if len(early):
            found += find_magnetic(self, batch.series[early], batch.time_ns[early])
        best: dict[tuple[int, int], tuple[int, int, int, Mapping[str, object]]] = {}
        for series, time_ns, version, stream, sequence, values in found:
            known = best.get((series, time_ns))
            if known is None or (version, stream, sequence) > known[:3]:
                best[series, time_ns] = (version, stream, sequence, values)
        return {key: (row[0], row[3]) for key, row in best.items()}

    @property
    def is_changed(self) -> bool:
        """Whether anything was decided about its columns, or a name has several."""
        return bool(self.columns.has_changed or self.changes.roles or self.changes.eras)

    def _types_to_have(self, batch: RecordBatch) -> dict[str, MeasureType]:
        """The type of each measure now, by name; of WriteRecords' only where the batch has one of before."""
        now = {column.name: column.type for column in self.measures_now()}
        if not batch.by_version:
            return now
        return {name: kind for name, kind in now.items() if self.columns.has_measure(name, batch.types.get(name, kind))}

    def measures_now(self) -> list[Column]:
        """The measures as readers are given them, made of stored measures alone."""
        if self.is_changed:
            units = {**self.changes.units, **self.info.settings.units}
            return measures_alone(self.columns, self.changes, units, self._positions.number_of)
        return list(self.columns.measures.values())

    def column_to_store(self, given: str) -> Column | None:
        """The stored column that makes a row have a value under the name `given`, as readers are given it.

        None where there is none and this store cannot make one now, since others would have to know it first.
        """
        (kind,) = {column.type for column in self.measures_now() if column.name == given}
        if self.columns.has_measure(given, kind):
            return self.columns.measure(given, kind)
        for column in self.columns.measures.values():
            if column.type is kind and sibling(column.name, kind) == given:
                return column
        if self.own is None:
            return self.columns.measure(given, kind)
        _log.warning("%s: %s of a row is left out: its unit is not that of the measure any more", self.id, given)
        return None

    def _own(self, batch: RecordBatch) -> RecordBatch:
        """The batch with this table's series ids: it may have been made against an earlier table of the same name."""
        if batch.index is not self.index:
            ids = {int(s): self.index.id_of(batch.index.keys[s], batch.index.zones[s]) for s in np.unique(batch.series)}
            series = np.array([ids[int(s)] for s in batch.series], np.int32)
            batch = replace(batch, index=self.index, series=series)
        return batch

    def know_series(self) -> None:
        """Make room, and columns, for series that normalise has met since the last batch."""
        count = len(self.index) if self.own is None else self._series_registered
        if self.own is None and self._has_zones(self.memory.series_known, count):
            self.columns.know_zone()
        if count > self.memory.series_known:
            for key in self.index.keys[self.memory.series_known : count]:
                for name, _ in key.dimensions:
                    self.columns.dimension(name)
            self.state.reserve(count)
            self.memory.series_known = count

    def _has_zones(self, first: int, end: int) -> bool:
        """Whether rows of these series, or of any whose zone was not known at first, have a zone."""
        return self.columns.zone is None and (
            self.index.rezoned > 0 or any(zone is not None for zone in self.index.zones[first:end])
        )

    def _note_unflushed(self, batch: RecordBatch, accepted: Accepted, now_ns: int, store_rows: int) -> None:
        if not accepted.rows:
            return
        self.unflushed.setdefault(batch.stream, int(batch.offset[0]))
        self.last_offset[batch.stream] = int(batch.offset[-1])
        if self.unflushed_since_ns is None:
            self.unflushed_since_ns, self.unflushed_from_row = now_ns, store_rows

    def has_opened(self) -> None:
        """It is filled with what is known of it."""
        if self.own is not None:
            self.gone_to = self.magnetic.version.positions.get(self.own, -1)
            self.superseded.start_at(self.magnetic.version.number)

    # The maintaining thread's side

    def evict(self, chunk: Chunk) -> None:
        """Drop a sealed chunk."""
        self.memory.evict(chunk)
        self.gone_to = max(self.gone_to, max(chunk.last_sequence.values(), default=-1) >> OFFSET_BITS)

    def take_in_columns(self) -> None:
        """Know the columns that other workers have brought, those of all files of `magnetic.version` at least."""
        with self.lock:
            for column in self.magnetic.columns():
                self.columns.add(column)

    def cut(self, advanced: Mapping[str, int], now_ns: int) -> Cut:
        """What a flush takes now."""
        with self.lock:
            self.memory.insert_head(now_ns)
            count = self.memory.series_known
            return Cut(
                dict(advanced),
                self.magnetic.version.positions,
                self.state.last_ns[:count].copy(),
                self.superseded.now(),
                self.columns.copy(),
            )

    def publish(self, cut: Cut, now_ns: int, store_rows: int) -> None:
        """The magnetic tier has the rows of `cut`."""
        self.memory.uncommitted_bytes = 0
        self.unflushed = {
            stream: cut.positions.get(stream, -1) + 1
            for stream in self.unflushed
            if self.last_offset.get(stream, -1) > cut.positions.get(stream, -1)
        }
        self.is_flushed_once = True
        self.unflushed_since_ns, self.unflushed_from_row = (now_ns, store_rows) if self.unflushed else (None, 0)

    def undurable(self) -> dict[str, int]:
        """By stream, the first offset with rows that neither the magnetic tier nor the checkpoint may have."""
        with self.lock:
            first = {stream: max(offset, self.saved.get(stream, -1) + 1) for stream, offset in self.unflushed.items()}
            return {stream: offset for stream, offset in first.items() if offset <= self.last_offset.get(stream, -1)}

    def put_back(self, rows: Rows, stream: str, now_ns: int) -> None:
        """Rows of the checkpoint are in RAM again, unflushed."""
        with self.lock:
            self.know_series()
            offsets = rows.sequence >> OFFSET_BITS
            self.memory.add(rows)
            self.memory.insert_head(now_ns)
            np.maximum.at(self.state.last_ns, rows.series, rows.time_ns)
            np.maximum.at(self.state.known_from_ns, rows.series, rows.time_ns + 1)
            self.unflushed[stream], self.last_offset[stream] = int(offsets.min()), int(offsets.max())
            self.unflushed_since_ns = now_ns

    def refresh_magnetic(self) -> None:
        """Let readers have the magnetic tier as other writers, or commits that went unanswered, have left it.

        Raises Overtaken if there are rows of `own` that were not known to be there: what is known of its series, and
        which of their rows are superseded, does not go with that version.
        """
        version = self.magnetic.refresh()
        if self.own is not None:
            found, known = (of.positions.get(self.own) for of in (version, self.magnetic.version))
            if found != known:
                raise Overtaken(f"{self.id}: position of {self.own} is {found} in the table and {known} here")
        with self.lock:
            self.magnetic.version = version

    def numbered(self, positions: Mapping[str, int]) -> dict[int, int]:
        """Positions by stream number, as rows name their stream."""
        return {self._positions.number_of(stream): offset for stream, offset in positions.items()}

    # The readers' side

    def stored_columns(self) -> tuple[Column, ...]:
        """The dimensions and measures now."""
        with self.lock:
            return self.columns.stored()

    def schema(self, info: TableInfo) -> TableSchema:
        """The columns now."""
        with self.lock:
            return self._schema(info)

    def pin(self, beside: Beside | None = None) -> MemoryView:
        """What is in RAM of everything applied so far, to be read beside this version, or that of now, until `unpin`.

        Raises UnknownTable if it was deleted, Behind if what is superseded in that version is not known any more.
        """
        with self.lock:
            if self.is_dropped:
                raise UnknownTable(f"The table {self.id.table} does not exist.")
            self.memory.insert_head(self._now_ns)
            pinned = (beside and beside.version) or self.magnetic.version
            superseded_ns = self.superseded.now() if beside is None else self.superseded.in_version(beside.number)
            if superseded_ns is None:
                raise Behind(f"{self.id}: what is superseded in an earlier version is not known any more")
            views = tuple(
                ChunkView(
                    chunk,
                    chunk.rows if self.memory.is_open(chunk) else None,
                    chunk.from_ns,
                    chunk.to_ns,
                    dict(chunk.measures),
                    dict(chunk.last_sequence),
                )
                for chunk in self.memory.chunks
            )
            positions = pinned.positions if beside is None else beside.positions
            self.memory.pin([view.chunk for view in views])
            self._pinned[pinned.number] = (pinned, self._pinned.get(pinned.number, (pinned, 0))[1] + 1)
            return MemoryView(
                self.memory.series_table,
                self.memory.series_columns(),
                views,
                self.memory.whole_from_ns,
                pinned,
                self.numbered(positions if self.own is None else {self.own: positions.get(self.own, -1)}),
                superseded_ns,
            )

    def _schema(self, info: TableInfo) -> TableSchema:
        return schema_of(info, self.columns, self._positions.number_of)

    def unpin(self, view: MemoryView) -> None:
        """The view is read no more."""
        with self.lock:
            version, count = self._pinned.pop(view.version.number)
            if count > 1:
                self._pinned[version.number] = (version, count - 1)
            self.memory.unpin([chunk.chunk for chunk in view.chunks])

    def versions_in_use(self) -> list[Version]:
        """The magnetic version of now and those that views have."""
        return [self.magnetic.version, *(version for version, _ in self._pinned.values())]

    def drop(self) -> None:
        """The table is deleted: nothing of it is applied or flushed any more."""
        with self.lock:
            if not self.is_dropped:
                self.is_dropped = True
                self.memory.drop()
