"""The store: catalog ▸ account ▸ database ▸ table ▸ (memory tier, magnetic tier).

One process has a `PartitionStore` for each partition of the log that it owns. Everything common to all workers is in
`_streamgauge/` in the magnetic tier: the catalog, the numbers of the partitions, and the state that the owner of each
partition saves for the next owner. Other code decides who owns which partition. If two workers believe that they own
the same one, no data is damaged: a commit names the position that it continues from, so that one of them fails with
`Fenced`.

A query on any worker reads the newest version of a table and requests the rows beyond it from the owners of all
partitions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from store import layout
from store.catalog.catalog import Catalog, TableInfo, TableSettings
from store.catalog.limits import DEFAULTS, Limits, series_for
from store.catalog.lost import refuse_lost_catalog
from store.engine.duck import WORKING_MEMORY_BYTES, Duck
from store.magnetic.data_files import data_files
from store.magnetic.tier import MagneticTier
from store.magnetic.versions import Versions
from store.objects.files import make_all_durable
from store.objects.location import S3Location
from store.objects.objects import Objects, open_root
from store.partition_backend import PartitionBackend
from store.partition_store import PartitionStore
from store.reading.lending import Lender
from store.reading.snapshot import Snapshot
from store.reading.tail import Gather, Partition
from store.record import SeriesRoom
from store.state.partition_state import PartitionState
from store.state_objects import open_state
from store.table.table import Table


class Store:
    """The store of one process. Any thread may use it; for each `PartitionStore` its own documentation applies."""

    def __init__(
        self,
        magnetic: Path | S3Location,
        objects: Objects,
        partitions: Sequence[str],
        memory_limit_bytes: int,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        log_end: Callable[[], Mapping[str, int]],
        monotonic_ns: Callable[[], int],
        *,
        is_sole_writer: bool,
        limits: Limits,
        log_first: Callable[[], Mapping[str, int]],
    ) -> None:
        """Use `Store.open`."""
        self.objects = objects
        self.limits = limits
        self.series_room = SeriesRoom(lambda account: series_for(account, limits.series, limits.series_of))
        self.partitions: Sequence[str] = tuple(partitions)
        self.templates = templates
        self.is_sole_writer = is_sole_writer
        self.log_first = log_first
        self._magnetic = magnetic
        self._clock_ns = clock_ns
        self._monotonic_ns = monotonic_ns
        self._memory_limit_bytes = memory_limit_bytes
        self._lock = threading.Lock()
        self._stores: dict[str, PartitionStore] = {}
        self.catalog = Catalog(
            objects,
            templates,
            clock_ns,
            log_end,
            self._remove,
            is_sole_writer=is_sole_writer,
            limits=limits,
            log_first=log_first,
        )
        self.catalog.number_partitions(self.partitions)
        for deleted in self.catalog.deleted_tables():  # their deletion may have been interrupted
            self.remove_files(deleted)
        self.duck = Duck(self.readable, memory_limit_bytes + WORKING_MEMORY_BYTES)
        self._versions = Versions(lambda info: self.open_tier(info, self.partitions[0]))

    @classmethod
    def open(
        cls,
        magnetic_url: str,
        *,
        partitions: Sequence[str],
        memory_limit_bytes: int,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        log_end: Callable[[], Mapping[str, int]],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        is_sole_writer: bool = False,
        limits: Limits = DEFAULTS,
        log_first: Callable[[], Mapping[str, int]] = dict,
    ) -> Store:
        """The store at `magnetic_url`, created if there is none.

        `partitions` are all partitions of the log's topic of readings, in order. `log_end` returns the next offset of
        each: if a table is deleted, all records acknowledged before belong to the deleted table. `clock_ns` is the
        host's time and is used for the age of rows; `monotonic_ns` is used for intervals. `is_sole_writer`: no other
        process writes to these tables while this store is open. `log_first` returns the first offset that each
        partition still has: what was deleted before it need not be remembered.

        Raises StoreFormatError if the data has another format or the catalog is lost, MagneticTierError.
        """
        magnetic = open_root(magnetic_url)
        if isinstance(magnetic, Path):
            make_all_durable(magnetic)
        objects = open_state(magnetic_url)
        refuse_lost_catalog(objects)
        return cls(
            magnetic,
            objects,
            partitions,
            memory_limit_bytes,
            templates,
            clock_ns,
            log_end,
            monotonic_ns,
            is_sole_writer=is_sole_writer,
            limits=limits,
            log_first=log_first,
        )

    def partition_state(self, partition: str) -> PartitionState:
        """The saved state of `partition`, for its next owner."""
        return PartitionState(self.objects, partition)

    def take(self, partition: str, since: int | None = None) -> PartitionStore:
        """Open the store of `partition`, to be given the log from its `replay_from`. Blocks while it loads state.

        `since` is the first offset written under these `templates`: changed units apply from there on.

        Raises MagneticTierError, StoreFormatError.
        """
        store = PartitionStore(
            PartitionBackend(self, partition),
            self._memory_limit_bytes,
            self._clock_ns,
            self._monotonic_ns,
            {} if since is None else {partition: since},
        )
        with self._lock:
            self._stores[partition] = store
        return store

    def revoke(self, store: PartitionStore) -> None:
        """Close the store of a revoked partition; the next owner reads rows that are not flushed from the log.

        Requests for its tails are refused from now on.
        """
        with self._lock:
            if self._stores.get(store.own_partition) is store:
                del self._stores[store.own_partition]
        store.close()

    def stores(self) -> list[PartitionStore]:
        """The open stores of this process."""
        with self._lock:
            return list(self._stores.values())

    def snapshot(self, account: str, gather: Gather | None = None) -> Snapshot:
        """A view of the account's tables for queries, for all owners of partitions. Any thread; must be closed.

        `gather` returns the rows of each partition beyond a version: a `TailReply` for a partition of another worker,
        from `PartitionStore.tail` of its owner, or the result of its argument `pin` for a partition of this process.
        It passes on `Behind`, and raises an error (PartitionSilent, for example) if an owner does not respond. None:
        this process owns all partitions.
        """
        return Snapshot(*self._tables_of(account), gather)

    def snapshot_of(self, account: str, store: Partition) -> Snapshot:
        """A view of the account's tables with the rows in RAM of this store alone, for what concerns its partition."""
        partitions = (store.own_partition,)
        return Snapshot(account, self.catalog, self.duck, self._clock_ns, self._versions, partitions, (store,), None)

    def lender(self, account: str, gather: Gather | None = None) -> Lender:
        """The same view, for a query in another process."""
        return Lender(*self._tables_of(account), gather)

    def _tables_of(
        self, account: str
    ) -> tuple[str, Catalog, Duck, Callable[[], int], Versions, Sequence[str], Sequence[PartitionStore]]:
        return account, self.catalog, self.duck, self._clock_ns, self._versions, self.partitions, self.stores()

    @property
    def readable(self) -> Path | None:
        """The folder of the magnetic tier; None if it is in a bucket."""
        return self._magnetic if isinstance(self._magnetic, Path) else None

    def close(self) -> None:
        """Close all stores. Does not flush."""
        for store in self.stores():
            self.revoke(store)
        self.duck.close()

    # Used by the stores of all partitions

    def open_tier(self, info: TableInfo, own_partition: str) -> MagneticTier:
        """The Delta table of `info`, opened for writing rows of `own_partition`."""
        folder = layout.table_folder(self._magnetic, info.table, info.incarnation)
        return MagneticTier(folder, self.catalog.partitions, own_partition)

    def all_tables(self) -> list[Table]:
        """The open tables of all stores."""
        return [table for store in self.stores() for table in store.all_tables()]

    def _remove(self, info: TableInfo) -> None:
        for store in self.stores():
            store.tables.drop_deleted()
        self.remove_files(info)

    def remove_files(self, info: TableInfo) -> None:
        """Remove the files of a deleted table, and the saved state of its series."""
        data_files(layout.table_folder(self._magnetic, info.table, info.incarnation)).delete_table()
        for partition in self.catalog.partitions:
            self.partition_state(partition).forget(layout.series_kind(info.table, info.incarnation))
