"""Where the store of a partition lives: its series and low watermarks with the partition, everything else with all
workers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from store import layout
from store.catalog.catalog import Catalog, TableInfo, TableSettings
from store.catalog.shared import SharedCatalog
from store.engine.duck import Duck
from store.magnetic.tier import MagneticTier, Version
from store.record import TableId
from store.state.keep import PartitionState
from store.state.partition_series import PartitionSeries
from store.state.pending_rows import REMEDY, PendingRowsKeeping
from store.state.positions import PartitionPositions
from store.table.table import Table


class Neighbourhood(Protocol):
    """What the stores of one process have in common."""

    catalog: SharedCatalog
    duck: Duck
    partitions: Sequence[str]
    templates: Mapping[tuple[str, str], TableSettings]

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


class KeptPositions:
    """The low watermark of one partition, kept with it; the numbers of the partitions are the catalog's."""

    def __init__(self, catalog: SharedCatalog, keep: PartitionState, own_partition: str) -> None:
        """Load the low watermark."""
        self._keep = keep
        self._own_partition = own_partition
        self.partitions = list(catalog.partitions)
        self._numbers = {partition: number for number, partition in enumerate(self.partitions)}
        kept = keep.latest(layout.LOW_WATERMARK)
        self.low_watermarks: dict[str, int] = {} if kept is None else {own_partition: kept[0]}

    def number_of(self, partition: str) -> int:
        """The number of `partition`. Raises KeyError for a partition that is not registered."""
        return self._numbers[partition]

    def keep_numbers(self) -> None:
        """They are durable: the catalog has them."""

    def save(self, low_watermarks: Mapping[str, int]) -> None:
        """Raise the low watermark, durably."""
        low_watermark = low_watermarks.get(self._own_partition)
        if low_watermark is not None and low_watermark > self.low_watermarks.get(self._own_partition, -1):
            self._keep.save(layout.LOW_WATERMARK, low_watermark, b"")
            self.low_watermarks = {self._own_partition: low_watermark}

    def lower(self, low_watermarks: Mapping[str, int]) -> None:
        """Let no low watermark be above these, for as long as the store is open: what is kept only rises."""
        self.low_watermarks = {
            partition: min(low_watermark, low_watermarks.get(partition, low_watermark))
            for partition, low_watermark in self.low_watermarks.items()
        }


class KeptPendingRows:
    """The pending rows of one partition, kept with it at the position it is good for.

    What a former owner saves late is true of the log up to there, and so it may be what counts.
    """

    def __init__(self, keep: PartitionState, own_partition: str) -> None:
        self.name = f"the pending rows of {own_partition} in the magnetic tier"
        self._keep = keep
        self._own_partition = own_partition

    def load(self) -> bytes | None:
        """See `PendingRowsKeeping`."""
        kept = self._keep.latest(layout.PENDING_ROWS, REMEDY)
        return None if kept is None else kept[1]

    def save(self, data: bytes, advanced: Mapping[str, int]) -> None:
        """See `PendingRowsKeeping`."""
        if self._own_partition in advanced:  # else no row is whole yet
            self._keep.save(layout.PENDING_ROWS, advanced[self._own_partition], data)


class PartitionBackend:
    """The place of one partition on a shared magnetic tier."""

    def __init__(self, shared: Neighbourhood, own_partition: str) -> None:
        self._shared = shared
        self._keep = shared.keep(own_partition)
        self._partition = own_partition
        self.own_partition: str | None = own_partition
        self.duck = shared.duck
        self.positions: PartitionPositions = KeptPositions(shared.catalog, self._keep, own_partition)
        self.pending_rows: PendingRowsKeeping = KeptPendingRows(self._keep, own_partition)

    def open_catalog(
        self,
        templates: Mapping[tuple[str, str], TableSettings],  # noqa: ARG002  # the catalog of all has them
        clock_ns: Callable[[], int],  # noqa: ARG002
        applied: Callable[[], Mapping[str, int]],  # noqa: ARG002
        deleted: Callable[[TableInfo], None],  # noqa: ARG002  # the store sees it when it looks (`fate_of`)
    ) -> Catalog:
        """The catalog of all workers, as it is now."""
        self._shared.catalog.refresh(now=True)
        return self._shared.catalog

    def open_magnetic(self, info: TableInfo) -> MagneticTier:
        """The Delta table of `info`."""
        return self._shared.open_tier(info, self._partition)

    def series_of(self, info: TableInfo) -> PartitionSeries:
        """What is kept of its series in the partition."""
        kind = f"{layout.SERIES}/{layout.table_path(info.table, info.incarnation)}"
        return PartitionSeries(self._keep, self._partition, kind)

    def find_partitions(self, tables: Sequence[TableInfo]) -> list[str]:  # noqa: ARG002
        """They are never lost but with the catalog."""
        return []

    def may_hold_unknown_series(self, version: Version) -> bool:
        """Whether there are rows of our partition, or of another log's, whose series may be ours in this one.

        A key comes in one partition of a log, so rows of the other partitions are not ours.
        """
        others = set(self._shared.partitions) - {self._partition}
        return bool(version.files) and bool(set(version.positions) - others)

    def is_compaction_leader_of(self, table: TableId) -> bool:
        """One partition's store looks after the files of a table."""
        return (
            self._shared.partitions[zlib.crc32(str(table).encode()) % len(self._shared.partitions)] == self._partition
        )

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

    def remove_files(self, table: TableId) -> None:
        """Whoever deletes a table has removed its files."""

    def remove_late_files(self, info: TableInfo) -> None:
        """Remove all of it again: no other table has its folder."""
        self._shared.remove_files(info)

    def tables_beside(self) -> list[Table]:
        """The tables of all stores of the process."""
        return self._shared.all_tables()

    def close(self) -> None:
        """Nothing is this store's alone."""
