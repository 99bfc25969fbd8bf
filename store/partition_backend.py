"""The parts of a store that belong to one partition (series, low watermark), and access to those that all share."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from store import layout
from store.catalog.catalog import Catalog, TableInfo, TableSettings
from store.catalog.limits import Limits
from store.engine.duck import Duck
from store.magnetic.taking_back import take_back
from store.magnetic.tier import MagneticTier, Version
from store.reading.snapshot import Snapshot
from store.reading.tail import Partition
from store.record import SeriesRoom, TableId
from store.state.partition_state import PartitionState
from store.state.pending_rows import PendingRows
from store.state.positions import Positions
from store.state.series import SavedSeries
from store.table.table import Table


class Neighbourhood(Protocol):
    """What the stores of one process have in common."""

    catalog: Catalog
    duck: Duck
    partitions: Sequence[str]
    templates: Mapping[tuple[str, str], TableSettings]
    is_sole_writer: bool
    limits: Limits
    series_room: SeriesRoom
    log_first: Callable[[], Mapping[str, int]]

    def partition_state(self, partition: str) -> PartitionState:
        """The saved state of a partition."""
        ...

    def open_tier(self, info: TableInfo, own_partition: str) -> MagneticTier:
        """The Delta table of `info`, opened for writing rows of `own_partition`."""
        ...

    def all_tables(self) -> list[Table]:
        """The open tables of all stores."""
        ...

    def snapshot_of(self, account: str, store: Partition) -> Snapshot:
        """A view of the account's tables with the rows in RAM of this store alone."""
        ...

    def remove_files(self, info: TableInfo) -> None:
        """Remove the files of a deleted table."""
        ...


class PartitionBackend:
    """What the store of one partition needs: its own saved state, and what is shared: catalog, DuckDB, Delta tables."""

    def __init__(self, shared: Neighbourhood, own_partition: str) -> None:
        """Read the current catalog, and load the low watermark. Raises MagneticTierError, StoreFormatError."""
        shared.catalog.refresh(now=True)
        self._shared = shared
        self._state = shared.partition_state(own_partition)
        self.own_partition = own_partition
        self.catalog = shared.catalog
        self.duck = shared.duck
        self.is_sole_writer = shared.is_sole_writer
        self.limits = shared.limits
        self.series_room = shared.series_room
        self.positions = Positions(shared.catalog.partitions, self._state, own_partition)
        shared.catalog.expect(self.positions.catalog)
        self.pending_rows = PendingRows(self._state, own_partition)
        # from which the log can be read again, if no other writer has continued from a commit, and no rows were saved
        # beyond one
        is_alone = shared.is_sole_writer and len(shared.partitions) == 1 and self.positions.pending_rows < 0
        self._log_first = shared.log_first().get(own_partition) if is_alone else None

    @property
    def has_all_rows(self) -> bool:
        """Whether all rows of the log are of this partition, so that RAM can be read instead of files."""
        return len(self._shared.partitions) == 1

    def open_magnetic(self, info: TableInfo) -> MagneticTier:
        """The Delta table of `info`, opened for this partition; without damaged files whose rows the log still has."""
        tier = self._shared.open_tier(info, self.own_partition)
        if self._log_first is None or not isinstance(tier.location, Path):
            return tier
        taken_back = take_back(tier, self._log_first, self.positions.lower)
        if taken_back:
            tier = self._shared.open_tier(info, self.own_partition)
            tier.set_aside += taken_back
        return tier

    def series_of(self, info: TableInfo) -> SavedSeries:
        """The saved series of the table in this partition."""
        return SavedSeries(self._state, layout.series_kind(info.table, info.incarnation))

    def may_hold_unknown_series(self, version: Version) -> bool:
        """Whether the table has rows of this partition, or of another log, whose series may belong to this partition.

        All records of a key are in one partition of a log, so rows of the other partitions of this log do not count.
        """
        others = set(self._shared.partitions) - {self.own_partition}
        return bool(version.files) and bool(set(version.positions) - others)

    def is_compaction_leader_of(self, table: TableId) -> bool:
        """Whether this partition's store maintains the files of the table; exactly one partition of the log does."""
        partitions = self._shared.partitions
        return partitions[zlib.crc32(str(table).encode()) % len(partitions)] == self.own_partition

    def fate_of(self, info: TableInfo, *, now: bool) -> tuple[bool, Mapping[str, int] | None]:
        """Whether the table still exists; if not, the last offset per partition of records that belonged to it.

        The offsets are None if no other table has the name, and none will be created by the next record. `now`: reads
        the newest catalog first.
        """
        catalog = self._shared.catalog
        catalog.refresh(now=now)
        found = catalog.known(info.table)
        if info.is_same_table(found):
            return True, None
        if found is not None:
            return False, found.born
        is_template = (info.table.database, info.table.table) in self._shared.templates
        return False, catalog.deleted_up_to(info.table) if is_template else None

    def remove_late_files(self, info: TableInfo) -> None:
        """Remove the files of a deleted table again; no other table uses the folder."""
        self._shared.remove_files(info)

    def snapshot_of(self, account: str, store: Partition) -> Snapshot:
        """A view of the account's tables without rows that are only in RAM of the stores of other partitions."""
        return self._shared.snapshot_of(account, store)

    def tables_of_process(self) -> list[Table]:
        """The open tables of all stores of the process."""
        return self._shared.all_tables()
