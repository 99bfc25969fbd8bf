"""What the store of a partition has: its series and low watermark for itself, everything else with all workers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from store import layout
from store.catalog.catalog import Catalog, TableInfo, TableSettings
from store.engine.duck import Duck
from store.magnetic.tier import MagneticTier, Version
from store.record import TableId
from store.state.keep import PartitionState
from store.state.pending_rows import PendingRows
from store.state.positions import Positions
from store.state.series import KeptSeries
from store.table.table import Table


class Neighbourhood(Protocol):
    """What the stores of one process have in common."""

    catalog: Catalog
    duck: Duck
    partitions: Sequence[str]
    templates: Mapping[tuple[str, str], TableSettings]
    is_sole_writer: bool

    def keep(self, partition: str) -> PartitionState:
        """What is kept of a partition."""
        ...

    def open_tier(self, info: TableInfo, own_partition: str) -> MagneticTier:
        """The Delta table of `info`, to be written for `own_partition`."""
        ...

    def all_tables(self) -> list[Table]:
        """The tables of all the stores."""
        ...

    def remove_files(self, info: TableInfo) -> None:
        """Remove the files of a deleted table."""
        ...


class PartitionBackend:
    """The place of one partition on a shared magnetic tier."""

    def __init__(self, shared: Neighbourhood, own_partition: str) -> None:
        """Take in the catalog as it is now, and load the low watermark."""
        shared.catalog.refresh(now=True)
        self._shared = shared
        self._keep = shared.keep(own_partition)
        self.own_partition = own_partition
        self.catalog = shared.catalog
        self.duck = shared.duck
        self.is_sole_writer = shared.is_sole_writer
        self.positions = Positions(shared.catalog.partitions, self._keep, own_partition)
        self.pending_rows = PendingRows(self._keep, own_partition)

    def open_magnetic(self, info: TableInfo) -> MagneticTier:
        """The Delta table of `info`."""
        return self._shared.open_tier(info, self.own_partition)

    def series_of(self, info: TableInfo) -> KeptSeries:
        """What is saved of its series in the partition."""
        return KeptSeries(self._keep, layout.series_kind(info.table, info.incarnation))

    def may_hold_unknown_series(self, version: Version) -> bool:
        """Whether there are rows of our partition, or of another log's, whose series may be ours in this one.

        A key comes in one partition of a log, so rows of the other partitions are not ours.
        """
        others = set(self._shared.partitions) - {self.own_partition}
        return bool(version.files) and bool(set(version.positions) - others)

    def is_compaction_leader_of(self, table: TableId) -> bool:
        """One partition's store looks after the files of a table."""
        partitions = self._shared.partitions
        return partitions[zlib.crc32(str(table).encode()) % len(partitions)] == self.own_partition

    def fate_of(self, info: TableInfo, *, now: bool) -> tuple[bool, Mapping[str, int] | None]:
        """As the catalog has it; where the table comes to be again, records beyond its birth are of the new one."""
        catalog = self._shared.catalog
        catalog.refresh(now=now)
        found = catalog.known(info.table)
        if info.is_same_table(found):
            return True, None
        if found is not None:
            return False, found.born
        is_template = (info.table.database, info.table.table) in self._shared.templates
        return False, catalog.buried_to(info.table) if is_template else None

    def remove_late_files(self, info: TableInfo) -> None:
        """Remove all of it again: no other table has its folder."""
        self._shared.remove_files(info)

    def tables_beside(self) -> list[Table]:
        """The tables of all stores of the process."""
        return self._shared.all_tables()
