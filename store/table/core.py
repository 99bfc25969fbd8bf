"""What the works on one table share: its tiers, series, columns and marks. Nobody outside `store.table` has it.

Two locks. `io_lock` is held by whoever writes the table's files, and taken before `lock`, which guards all the rest
and is never held over a write to disk. `Table` takes `io_lock` for each work, and begins none on a dropped table.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from store.catalog.catalog import TableInfo
from store.catalog.schema import Columns
from store.engine.duck import Duck
from store.errors import Fenced
from store.magnetic.tier import MagneticTier, Version
from store.memory.tier import Chunk, MemoryTier
from store.record import Int64s, SeriesIndex
from store.sequence import OFFSET_BITS, Sequencer
from store.state.positions import Positions
from store.state.series import KeptSeries
from store.table.columns import TableColumns
from store.table.progress import Progress
from store.table.series_state import SeriesState
from store.table.superseded import SupersededTimes


@dataclass(frozen=True, slots=True)
class Cut:
    """What a flush takes: rows beyond `behind` up to `positions`, and what of the table's state goes with them."""

    positions: dict[str, int]
    behind: Mapping[str, int]  # of the magnetic tier
    last_ns: Int64s
    superseded_ns: Int64s
    columns: Columns


@dataclass(frozen=True, slots=True)
class TableSize:
    """What a table takes: chunks and bytes in RAM, files of the magnetic tier.

    uncommitted_bytes  of rows that the magnetic tier may lack
    unsealed_bytes     of rows that are not compressed yet
    """

    chunks: int
    uncommitted_bytes: int
    unsealed_bytes: int
    files: int


class Core:
    """One table, as the owner of `own_partition` has it.

    is_sole_writer  whether no other process writes the table (`store.table.registering`)
    """

    def __init__(
        self,
        info: TableInfo,
        index: SeriesIndex,
        duck: Duck,
        magnetic: MagneticTier,
        kept_series: KeptSeries,
        positions: Positions,
        own_partition: str,
        *,
        is_sole_writer: bool,
    ) -> None:
        """Empty; `store.table.recovery` fills it."""
        self.id = info.table
        self.info = info  # as it was opened
        self.own_partition = own_partition
        self.is_sole_writer = is_sole_writer
        self.index = index
        self.lock = threading.RLock()
        self.io_lock = threading.Lock()
        self.is_dropped = False
        self.duck = duck
        self.magnetic = magnetic
        self.kept_series = kept_series
        self.columns = TableColumns(info, index, positions.number_of, may_make=is_sole_writer)
        self.memory = MemoryTier(duck, self.columns.stored, index)
        self.state = SeriesState()
        self.superseded = SupersededTimes()
        self.progress = Progress(info.born)
        self.sequencer = Sequencer()
        self.now_ns = 0  # of the batch that was applied last, by the monotonic clock
        self.registered = 0  # series below it have columns for their dimensions (`store.table.registering`)
        self.unused_since_ns: dict[str, int] = {}  # files that no version has, for `store.table.vacuum`
        self.evicted_through = -1  # of `own_partition`: rows up to this offset may be in RAM no more
        self._pinned: dict[int, tuple[Version, int]] = {}  # by version number, with how many views have it
        self._number_of = positions.number_of

    def number_of(self, partition: str) -> int:
        """How rows name `partition`."""
        return self._number_of(partition)

    def numbered(self, positions: Mapping[str, int]) -> dict[int, int]:
        """Positions by partition number, as rows name their partition."""
        return {self._number_of(partition): offset for partition, offset in positions.items()}

    def size(self) -> TableSize:
        """What the table takes. Any thread."""
        chunks = list(self.memory.chunks)
        unsealed_bytes = sum(chunk.size_bytes for chunk in chunks if not chunk.sealed)
        files = len(self.magnetic.version.files)
        return TableSize(len(chunks), self.memory.uncommitted_bytes, unsealed_bytes, files)

    def know_series(self) -> None:
        """Make room for series that normalise has met since the last batch."""
        known, count = self.memory.series_known, self.registered
        if count > known:
            self.state.reserve(count)
            self.memory.series_known = count

    def settled(self) -> list[int]:
        """Superseded times, ascending, of which only the magnetic tier is asked and has every row applied so far."""
        with self.lock:
            return self.superseded.settled(self.magnetic.version.positions, self.memory.whole_from_ns)

    # Versions of the magnetic tier

    def refresh_magnetic(self) -> None:
        """Let readers have the magnetic tier as other writers, or commits that went unanswered, have left it.

        Raises Fenced if there are rows of `own_partition` that were not known to be there: what is known of its series,
        and which of their rows are superseded, does not go with that version.
        """
        version = self.magnetic.refresh()
        found, known = (of.positions.get(self.own_partition) for of in (version, self.magnetic.version))
        if found != known:
            raise Fenced(f"{self.id}: position of {self.own_partition} is {found} in the table and {known} here")
        with self.lock:
            self.magnetic.version = version

    def take_in_columns(self) -> None:
        """Know the columns that other workers have brought, those of all files of `magnetic.version` at least."""
        with self.lock:
            for column in self.magnetic.columns():
                self.columns.stored.add(column)
            self.columns.stored.reserve(self.magnetic.field_names())

    def pin(self, version: Version | None) -> Version:
        """This version, or that of now: its files stay until `unpin`."""
        version = version or self.magnetic.version
        self._pinned[version.number] = (version, self._pinned.get(version.number, (version, 0))[1] + 1)
        return version

    def unpin(self, number: int) -> None:
        """A view of this version is read no more."""
        version, count = self._pinned.pop(number)
        if count > 1:
            self._pinned[number] = (version, count - 1)

    def versions_in_use(self) -> list[Version]:
        """The magnetic version of now and those that views have."""
        return [self.magnetic.version, *(version for version, _ in self._pinned.values())]

    # Rows that leave RAM

    def cut(self, advanced: Mapping[str, int], now_ns: int) -> Cut:
        """What a flush takes now."""
        with self.lock:
            self.memory.insert_head(now_ns)
            return Cut(
                dict(advanced),
                self.magnetic.version.positions,
                self.state.last_ns[: self.memory.series_known].copy(),
                self.superseded.now(),
                self.columns.stored.copy(),
            )

    def evict(self, chunk: Chunk) -> None:
        """Drop a sealed chunk."""
        self.memory.evict(chunk)
        self.evicted_through = max(self.evicted_through, max(chunk.last_sequence.values(), default=-1) >> OFFSET_BITS)
