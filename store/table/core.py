"""The shared state of the operations on one table: tiers, series, columns, marks. Internal to `store.table`.

There are two locks. `io_lock` is held while writing the table's files, and acquired before `lock`, which protects
everything else and is never held during a write to disk. `Table` acquires `io_lock` for each operation, and starts none
on a dropped table.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from store.catalog.catalog import TableInfo
from store.catalog.contents import ByMeasureName
from store.catalog.schema import Columns
from store.engine.duck import Duck
from store.errors import Fenced
from store.magnetic.tier import MagneticTier, Version
from store.memory.lasts import Lasts
from store.memory.members import Members
from store.memory.rollups import Rollups
from store.memory.tier import Chunk, MemoryTier
from store.record import Int64s, SeriesIndex
from store.sequence import OFFSET_BITS, Sequencer
from store.state.positions import Positions
from store.state.series import SavedSeries
from store.table.columns import TableColumns
from store.table.contents import TableContents
from store.table.deletions import Deletion
from store.table.progress import Progress
from store.table.series_state import SeriesState
from store.table.superseded import SupersededTimes


@dataclass(frozen=True, slots=True)
class Cut:
    """The content of a flush: rows beyond `behind` up to `positions`, and the state that is saved with them."""

    positions: dict[str, int]
    behind: Mapping[str, int]  # positions of the magnetic tier
    last_ns: Int64s
    superseded_ns: Int64s
    columns: Columns
    contents: ByMeasureName | None


@dataclass(frozen=True, slots=True)
class TableSize:
    """The size of a table: chunks and bytes in RAM, files of the magnetic tier.

    uncommitted_bytes  of rows that the magnetic tier may not have
    unsealed_bytes     of rows that are not compressed yet
    values             of measures in RAM
    counted_bytes      of the files whose values were counted, and
    counted_values     these values
    memory_bytes       of rows in RAM, about
    magnetic_bytes     of the files
    """

    chunks: int
    uncommitted_bytes: int
    unsealed_bytes: int
    files: int
    values: int
    counted_bytes: int
    counted_values: int
    memory_bytes: int
    magnetic_bytes: int


@dataclass(slots=True)
class Past:
    """Rows of before the start that are not in RAM: those up to this offset, of times before `before_ns`."""

    upto: int
    before_ns: int


class Core:
    """One table, as seen by the owner of `own_partition`.

    is_sole_writer  whether no other process writes the table (`store.table.registering`)
    """

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
        """Create it empty; `store.table.recovery` loads it."""
        self.id = info.table
        self.info = info  # when it was opened
        self.own_partition = own_partition
        self.is_sole_writer = is_sole_writer
        self.index = index
        self.lock = threading.RLock()
        self.io_lock = threading.Lock()
        self.is_dropped = False
        self.duck = duck
        self.magnetic = magnetic
        self.saved_series = saved_series
        self.columns = TableColumns(info, index, positions.number_of, is_sole_writer=is_sole_writer)
        self.memory = MemoryTier(duck, self.columns.stored, index)
        self.rollups = Rollups(index)
        self.members = Members(index)
        self.lasts = Lasts()
        self.state = SeriesState()
        self.contents = TableContents(index)
        self.superseded = SupersededTimes()
        self.progress = Progress(info.born)
        self.sequencer = Sequencer()
        self.now_ns = 0  # of the last applied batch, by the monotonic clock
        self.applied_records = 0  # of all batches, whatever became of them
        self.deletions: list[Deletion] = []  # by offset: which the maintenance must carry out
        self.deleted: list[Deletion] = []  # carried out, and not told: files of earlier versions may have the rows
        self.registered = 0  # series below it have columns for their dimensions (`store.table.registering`)
        self.counted: dict[str, tuple[int, int]] = {}  # file → its bytes and values, for `count_values`
        self.unused_since_ns: dict[str, int] = {}  # files that no version needs, for `store.table.vacuum`
        self.evicted_through = -1  # of `own_partition`: rows up to this offset may have been evicted from RAM
        self.past: Past | None = None  # what may be loaded back into RAM (`store.table.loading`)
        self.sealed_through = -1  # up to this offset RAM may not know which row is of which commit
        self._pinned: dict[int, tuple[Version, int]] = {}  # by version number: the version, and the number of its views
        self._number_of = positions.number_of
        log = own_partition.rpartition("/")[0]
        self.other_partitions = [  # of the same log: their numbers
            number
            for number, partition in enumerate(positions.partitions)
            if partition != own_partition and partition.rpartition("/")[0] == log
        ]

    def number_of(self, partition: str) -> int:
        """The number of `partition` in rows."""
        return self._number_of(partition)

    def numbered(self, positions: Mapping[str, int]) -> dict[int, int]:
        """Positions by partition number."""
        return {self._number_of(partition): offset for partition, offset in positions.items()}

    def size(self) -> TableSize:
        """The size of the table. Any thread."""
        chunks = list(self.memory.chunks)
        unsealed_bytes = sum(chunk.size_bytes for chunk in chunks if not chunk.sealed)
        files = self.magnetic.version.files
        counted = list(self.counted.values())
        return TableSize(
            len(chunks),
            self.memory.uncommitted_bytes,
            unsealed_bytes,
            len(files),
            sum(chunk.values for chunk in chunks),
            sum(size_bytes for size_bytes, _ in counted),
            sum(values for _, values in counted),
            sum(chunk.size_bytes for chunk in chunks),
            sum(file.size_bytes for file in files),
        )

    def add_new_series(self) -> None:
        """Make room for series that normalise has added since the last batch."""
        known, count = self.memory.series_known, self.registered
        if count > known:
            self.state.reserve(count)
            self.memory.series_known = count

    def settled(self) -> list[int]:
        """Superseded times, ascending, that are read only from the magnetic tier, which has all their rows."""
        with self.lock:
            return self.superseded.settled(self.magnetic.version.positions, self.memory.whole_from_ns)

    # Versions of the magnetic tier

    def refresh_magnetic(self) -> None:
        """Make the newest version of the magnetic tier visible, with commits by others or without a response.

        Raises Fenced if it has unknown rows of `own_partition`: the state of its series, and the superseded times, do
        not match that version.
        """
        version = self.magnetic.refresh()
        found, known = (of.positions.get(self.own_partition) for of in (version, self.magnetic.version))
        if found != known:
            raise Fenced(f"{self.id}: position of {self.own_partition} is {found} in the table and {known} here")
        with self.lock:
            self.magnetic.version = version

    def add_registered_columns(self) -> None:
        """Add columns that other workers have registered, at least those of all files of `magnetic.version`."""
        with self.lock:
            for column in self.magnetic.columns():
                self.columns.stored.add(column)
            self.columns.stored.reserve(self.magnetic.field_names())

    def pin(self, version: Version | None) -> Version:
        """Pin this version, or the current one: its files are kept until `unpin`."""
        version = version or self.magnetic.version
        self._pinned[version.number] = (version, self._pinned.get(version.number, (version, 0))[1] + 1)
        return version

    def unpin(self, number: int) -> None:
        """Release a pin of this version."""
        version, count = self._pinned.pop(number)
        if count > 1:
            self._pinned[number] = (version, count - 1)

    def versions_in_use(self) -> list[Version]:
        """The current version, and pinned ones."""
        return [self.magnetic.version, *(version for version, _ in self._pinned.values())]

    # Rows that leave RAM

    def cut(self, advanced: Mapping[str, int], now_ns: int) -> Cut:
        """Determine the content of a flush now."""
        with self.lock:
            self.memory.insert_head(now_ns)
            return Cut(
                dict(advanced),
                self.magnetic.version.positions,
                self.state.last_ns[: self.memory.series_known].copy(),
                self.superseded.now(),
                self.columns.stored.copy(),
                self.contents.now(),
            )

    def evict(self, chunk: Chunk) -> None:
        """Drop a sealed chunk from RAM."""
        self.memory.evict(chunk)
        self.evicted_through = max(self.evicted_through, last_offset(chunk))


def last_offset(chunk: Chunk) -> int:
    """The highest offset of its rows; -1 if there are none."""
    return max(chunk.last_sequence.values(), default=-1) >> OFFSET_BITS
