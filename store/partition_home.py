"""Where the store of a partition lives: its series and floors with the stream, everything else with all workers."""

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
from store.state.checkpoint import REMEDY, CheckpointKeeping
from store.state.keep import StreamKeep
from store.state.positions import StreamPositions
from store.state.stream_series import StreamSeries
from store.table.table import Table


class Neighbourhood(Protocol):
    """What the stores of one process have in common."""

    catalog: SharedCatalog
    duck: Duck
    streams: Sequence[str]
    templates: Mapping[tuple[str, str], TableSettings]

    def keep(self, stream: str) -> StreamKeep:
        """What is kept of a stream."""
        ...

    def open_tier(self, info: TableInfo, own: str) -> MagneticTier:
        """The Delta table of `info`, to be written for `own`."""
        ...

    def all_tables(self) -> list[Table]:
        """The tables of all the stores."""
        ...

    def remove_files(self, info: TableInfo) -> None:
        """Remove the files of a deleted table."""
        ...


class KeptPositions:
    """The floor of one stream, kept with it; the numbers of the streams are the catalog's."""

    def __init__(self, catalog: SharedCatalog, keep: StreamKeep, own: str) -> None:
        """Load the floor."""
        self._keep = keep
        self._own = own
        self.streams = list(catalog.streams)
        self._numbers = {stream: number for number, stream in enumerate(self.streams)}
        kept = keep.latest(layout.FLOOR)
        self.floors: dict[str, int] = {} if kept is None else {own: kept[0]}

    def number_of(self, stream: str) -> int:
        """The number of `stream`. Raises KeyError for a stream that is not registered."""
        return self._numbers[stream]

    def keep_numbers(self) -> None:
        """They are durable: the catalog has them."""

    def save(self, floors: Mapping[str, int]) -> None:
        """Raise the floor, durably."""
        floor = floors.get(self._own)
        if floor is not None and floor > self.floors.get(self._own, -1):
            self._keep.save(layout.FLOOR, floor, b"")
            self.floors = {self._own: floor}

    def lower(self, floors: Mapping[str, int]) -> None:
        """Let no floor be above these, for as long as the store is open: what is kept only rises."""
        self.floors = {stream: min(floor, floors.get(stream, floor)) for stream, floor in self.floors.items()}


class KeptCheckpoint:
    """The checkpoint of one stream, kept with it at the position it is good for.

    What a former owner saves late is true of the log up to there, and so it may be what counts.
    """

    def __init__(self, keep: StreamKeep, own: str) -> None:
        self.name = f"the checkpoint of {own} in the magnetic tier"
        self._keep = keep
        self._own = own

    def load(self) -> bytes | None:
        """See `CheckpointKeeping`."""
        kept = self._keep.latest(layout.CHECKPOINT, REMEDY)
        return None if kept is None else kept[1]

    def save(self, data: bytes, advanced: Mapping[str, int]) -> None:
        """See `CheckpointKeeping`."""
        if self._own in advanced:  # else no row is whole yet
            self._keep.save(layout.CHECKPOINT, advanced[self._own], data)


class PartitionHome:
    """The place of one stream on a shared magnetic tier."""

    def __init__(self, shared: Neighbourhood, own: str) -> None:
        self._shared = shared
        self._keep = shared.keep(own)
        self._stream = own
        self.own: str | None = own
        self.duck = shared.duck
        self.positions: StreamPositions = KeptPositions(shared.catalog, self._keep, own)
        self.checkpoint: CheckpointKeeping = KeptCheckpoint(self._keep, own)

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
        return self._shared.open_tier(info, self._stream)

    def series_of(self, info: TableInfo) -> StreamSeries:
        """What is kept of its series in the stream."""
        kind = f"{layout.SERIES}/{layout.table_path(info.table, info.incarnation)}"
        return StreamSeries(self._keep, self._stream, kind)

    def find_streams(self, tables: Sequence[TableInfo]) -> list[str]:  # noqa: ARG002
        """They are never lost but with the catalog."""
        return []

    def may_hold_unknown_series(self, version: Version) -> bool:
        """Whether there are rows of our stream, or of another log's, whose series may be ours in this one.

        A key comes in one partition of a log, so rows of the other partitions are not ours.
        """
        others = set(self._shared.streams) - {self._stream}
        return bool(version.files) and bool(set(version.positions) - others)

    def is_keeper_of(self, table: TableId) -> bool:
        """One partition's store looks after the files of a table."""
        return self._shared.streams[zlib.crc32(str(table).encode()) % len(self._shared.streams)] == self._stream

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
