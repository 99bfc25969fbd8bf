"""The interface of a directory, and its answers, which also travel between workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from pipeline.api.inventory.cardinality import DimensionValues
from pipeline.api.inventory.device import Device
from pipeline.api.inventory.latest import LatestPart, LatestRequest
from pipeline.api.inventory.live import LivePart, LiveRequest
from pipeline.api.inventory.search import SeriesPage, SeriesRequest
from pipeline.base.errors import AmbiguousZone, UnknownZone
from store.names import SYSTEM_DATABASE
from store.record import Dimensions, SeriesIndex, TableId


class ZoneSummary(msgspec.Struct, frozen=True, array_like=True):
    """A zone of a table: how many distinct sensors (sets of dimensions), and the newest event time."""

    database: str
    table: str
    zone: str
    sensors: int
    last_ns: int

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of the zone within an account."""
        return self.database, self.table, self.zone


class TableSummary(msgspec.Struct, frozen=True, array_like=True):
    """A table: how many series have rows, and the newest event time; None without rows. What it takes in both tiers.

    counted_bytes, counted_values  of the files whose values were counted: not of all
    """

    database: str
    table: str
    series: int
    last_ns: int | None
    memory_bytes: int = 0
    memory_values: int = 0
    magnetic_bytes: int = 0
    counted_bytes: int = 0
    counted_values: int = 0

    def __add__(self, other: TableSummary) -> TableSummary:
        """Of two partitions: they have different series and rows in RAM, and share the files."""
        times_ns = [time_ns for time_ns in (self.last_ns, other.last_ns) if time_ns is not None]
        return TableSummary(
            self.database,
            self.table,
            self.series + other.series,
            max(times_ns, default=None),
            self.memory_bytes + other.memory_bytes,
            self.memory_values + other.memory_values,
            max(self.magnetic_bytes, other.magnetic_bytes),
            self.counted_bytes + other.counted_bytes,
            self.counted_values + other.counted_values,
        )


class ZoneSeries(msgspec.Struct, frozen=True, array_like=True):
    """The series of a zone in one table: (dimensions, measure name)."""

    database: str
    table: str
    series: list[tuple[Dimensions, str]]


@dataclass(frozen=True, slots=True)
class Members:
    """The series of a zone, by their ids in the `index` of their table."""

    index: SeriesIndex
    series: Sequence[int]

    @property
    def table(self) -> TableId:
        """The table of the zone."""
        return self.index.table


class Directory(Protocol):
    """Answers from the applied rows. Safe for any thread; may block if other workers are asked."""

    def zones(self, account: str, table: str | None) -> list[ZoneSummary]:
        """The zones of the account's tables (`database.table`; None: all), by table and name."""
        ...

    def tables(self, account: str) -> list[TableSummary]:
        """The account's tables, by name, also those without rows."""
        ...

    def dimensions(self, account: str, table: str | None) -> list[DimensionValues]:
        """The dimensions of the account's tables (`database.table`; None: all), those with most values first."""
        ...

    def members(self, account: str, zone: str, table: str | None) -> Members:
        """The one table that has the zone, and its series. Raises UnknownZone, AmbiguousZone."""
        ...

    def devices(self, account: str, table: str | None, zone: str | None, limit: int) -> list[Device]:
        """The `limit` devices with the newest rows, newest first."""
        ...

    def latest(self, request: LatestRequest) -> LatestPart:
        """The newest of the last values of series, newest first. Raises what `PartitionStore.latest` raises."""
        ...

    def search(self, request: SeriesRequest) -> SeriesPage:
        """The first series that match. Raises what `PartitionStore.latest` raises."""
        ...

    def live(self, request: LiveRequest) -> LivePart:
        """Zones and devices as they are now. Raises what `PartitionStore.latest` raises."""
        ...


def one_table(zone: str, table: str | None, found: Sequence[Members]) -> Members:
    """The requested one of `found`. Raises UnknownZone if there is none, AmbiguousZone if there are several."""
    if not found:
        where = "" if table is None else f" in table {table}"
        raise UnknownZone(f"no zone {zone!r}{where}; /v1/zones lists the zones")
    if len(found) > 1:
        names = ", ".join(f"{members.table.database}.{members.table.table}" for members in found)
        raise AmbiguousZone(f"zone {zone!r} is in several tables: add table=, one of {names}")
    return found[0]


def is_asked(info: TableId, table: str | None) -> bool:
    """Whether a request for `table` (None: all) includes this one."""
    return table in (None, f"{info.database}.{info.table}")


def has_devices(info: TableId, table: str | None) -> bool:
    """As `is_asked`; and devices write it, not the server about itself, unless it is asked for by its name."""
    return is_asked(info, table) and (table is not None or info.database != SYSTEM_DATABASE)
