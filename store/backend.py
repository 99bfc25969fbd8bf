"""Where a store lives: a folder of its own, or one partition's place on a magnetic tier that several workers share.

The store is the same in both; what differs is asked of its backend: where the catalog is, how far every table is
durable, where series and Delta tables lie, and who does what is to be done once per table.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from store import layout
from store.catalog.catalog import Catalog, FileKeeping, TableInfo, TableSettings
from store.engine.duck import WORKING_MEMORY_BYTES, Duck
from store.magnetic.data_files import data_files
from store.magnetic.tier import MagneticTier, Version
from store.objects.file_lock import FileLock
from store.objects.location import S3Location
from store.record import TableId
from store.state.pending_rows import PendingRowsFile, PendingRowsKeeping
from store.state.positions import PartitionPositions, Positions
from store.state.series_file import SeriesFile, SeriesKeeping
from store.table.table import Table


class StoreBackend(Protocol):
    """What a store asks of where it lives."""

    own_partition: str | None  # the only partition of a store of a partition
    duck: Duck
    positions: PartitionPositions
    pending_rows: PendingRowsKeeping

    def open_catalog(
        self,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        applied: Callable[[], Mapping[str, int]],
        deleted: Callable[[TableInfo], None],
    ) -> Catalog:
        """The catalog."""
        ...

    def open_magnetic(self, info: TableInfo) -> MagneticTier:
        """The Delta table of `info`."""
        ...

    def series_of(self, info: TableInfo) -> SeriesKeeping:
        """What is kept of its series."""
        ...

    def find_partitions(self, tables: Sequence[TableInfo]) -> list[str]:
        """Where the partitions' numbers are lost: the partitions by number as the series files of `tables` have
        them.
        """
        ...

    def may_hold_unknown_series(self, version: Version) -> bool:
        """Whether `version` may hold rows of series of this store, where nothing is kept of them."""
        ...

    def is_compaction_leader_of(self, table: TableId) -> bool:
        """Whether this store merges, vacuums and retains the files of `table`: exactly one of those that share it."""
        ...

    def fate_of(self, info: TableInfo, *, now: bool) -> tuple[bool, Mapping[str, int] | None]:
        """Whether `info` is still the table of its name, and if not, up to where records were its, or None if records
        beyond are nobody's. `now`: ask whoever may have deleted it.
        """
        ...

    def remove_files(self, table: TableId) -> None:
        """Remove a deleted table's files, as far as they are this store's to remove."""
        ...

    def remove_late_files(self, info: TableInfo) -> None:
        """Remove what this store may have written of a table after another worker had deleted it."""
        ...

    def tables_beside(self) -> list[Table]:
        """The tables of all stores of the process, which share its memory tier; empty if there is no other store."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class LocalBackend:
    """A folder, and a magnetic tier, that one process has for itself."""

    own_partition: str | None = None

    def __init__(self, folder: Path, magnetic: Path | S3Location, memory_limit_bytes: int, lock: FileLock) -> None:
        self._folder = folder
        self._magnetic = magnetic
        self._lock = lock
        self.duck = Duck(magnetic if isinstance(magnetic, Path) else None, memory_limit_bytes + WORKING_MEMORY_BYTES)
        self._positions = Positions(folder / layout.POSITIONS)
        self.positions: PartitionPositions = self._positions
        self.pending_rows: PendingRowsKeeping = PendingRowsFile(folder / layout.PENDING_ROWS)

    def open_catalog(
        self,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        applied: Callable[[], Mapping[str, int]],
        deleted: Callable[[TableInfo], None],
    ) -> Catalog:
        """The catalog in the folder; deletions that were cut short are finished."""
        catalog = Catalog(FileKeeping(self._folder / layout.CATALOG), templates, clock_ns, applied, deleted)
        for table in catalog.buried():
            self.remove_files(table)
        return catalog

    def open_magnetic(self, info: TableInfo) -> MagneticTier:
        """The Delta table of `info`."""
        return MagneticTier(layout.table_folder(self._magnetic, info.table), self.positions.partitions)

    def series_of(self, info: TableInfo) -> SeriesFile:
        """The series file."""
        return SeriesFile(layout.table_folder(self._folder / layout.SERIES, info.table))

    def find_partitions(self, tables: Sequence[TableInfo]) -> list[str]:
        """The longest list of partitions that a series file has; none where the numbers are not lost."""
        if self._positions.is_on_disk:
            return []
        return max((self.series_of(info).partitions() for info in tables), key=len, default=[])

    def may_hold_unknown_series(self, version: Version) -> bool:
        """Whether there is any file."""
        return bool(version.files)

    def is_compaction_leader_of(self, table: TableId) -> bool:  # noqa: ARG002  # the same for every table
        """Nobody else is there to do it."""
        return True

    def fate_of(self, info: TableInfo, *, now: bool) -> tuple[bool, None]:  # noqa: ARG002  # nobody else deletes
        """What is open is there: the catalog tells the store of each deletion."""
        return True, None

    def remove_files(self, table: TableId) -> None:
        """Remove the Delta table and the series files."""
        data_files(layout.table_folder(self._magnetic, table)).delete_table()
        folder = layout.table_folder(self._folder / layout.SERIES, table)
        if folder.exists():
            shutil.rmtree(folder)

    def remove_late_files(self, info: TableInfo) -> None:
        """No other worker deletes."""

    def tables_beside(self) -> list[Table]:
        """There is no other."""
        return []

    def close(self) -> None:
        """Let go of the folder."""
        self.duck.close()
        self._lock.release()
