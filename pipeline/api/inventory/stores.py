"""The directory over the stores of this worker's own partitions, which are all if there is no other worker."""

from __future__ import annotations

import heapq
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec
import numpy as np

from pipeline.api.inventory import cardinality, latest, live, search
from pipeline.api.inventory.cardinality import DimensionValues
from pipeline.api.inventory.device import Device
from pipeline.api.inventory.directory import (
    Members,
    TableSummary,
    ZoneSeries,
    ZoneSummary,
    has_devices,
    is_asked,
    one_table,
)
from pipeline.api.inventory.latest import LatestOfStore, LatestPart, LatestRequest
from pipeline.api.inventory.live import LiveOfStore, LivePart, LiveRequest, LiveZone
from pipeline.api.inventory.search import SeriesOfStore, SeriesPage, SeriesRequest
from pipeline.api.inventory.zones import Zones
from store.catalog.catalog import Catalog
from store.errors import UnknownDatabase, UnknownTable
from store.memory.newness import NEVER_NS
from store.partition_store import PartitionStore
from store.record import SeriesIndex, SeriesKey, TableId


class StoreDirectory:
    """The `Directory` of one process. `stores` returns the current ones."""

    def __init__(self, catalog: Catalog, stores: Callable[[], Iterable[PartitionStore]]) -> None:
        self._catalog = catalog
        self._stores = stores
        self._latest: weakref.WeakKeyDictionary[PartitionStore, LatestOfStore] = weakref.WeakKeyDictionary()
        self._zones: weakref.WeakKeyDictionary[PartitionStore, Zones] = weakref.WeakKeyDictionary()
        self._series: weakref.WeakKeyDictionary[PartitionStore, SeriesOfStore] = weakref.WeakKeyDictionary()
        self._live: weakref.WeakKeyDictionary[PartitionStore, LiveOfStore] = weakref.WeakKeyDictionary()

    def zones(self, account: str, table: str | None) -> list[ZoneSummary]:
        """See `Directory`."""
        found = [
            summary
            for info in self._catalog.tables(account)
            if is_asked(info.table, table)
            for store in self._stores()
            for summary in _zones(store, self._zones_of(store), info.table)
        ]
        return merge_zones(found)

    def tables(self, account: str) -> list[TableSummary]:
        """See `Directory`."""
        found = [_table(info.table, store) for info in self._catalog.tables(account) for store in self._stores()]
        return merge_tables(found)

    def dimensions(self, account: str, table: str | None) -> list[DimensionValues]:
        """See `Directory`."""
        return cardinality.merged(
            found
            for info in self._catalog.tables(account)
            if is_asked(info.table, table)
            for store in self._stores()
            for found in cardinality.values_of(store, info.table)
        )

    def members(self, account: str, zone: str, table: str | None) -> Members:
        """See `Directory`."""
        return one_table(zone, table, self.found(account, zone, table))

    def found(self, account: str, zone: str, table: str | None) -> list[Members]:
        """The zone's series in every table that has the zone."""
        found: dict[TableId, list[Members]] = {}
        for info in self._catalog.tables(account):
            if is_asked(info.table, table):
                for store in self._stores():
                    series = self._zones_of(store).series_of(info.table, zone)
                    if series:
                        found.setdefault(info.table, []).append(Members(store.registry.of(info.table), series))
        return [together(members) for members in found.values()]

    def series(self, account: str, zone: str, table: str | None) -> list[ZoneSeries]:
        """As `found`, as values for another worker."""
        return [
            ZoneSeries(
                of.table.database,
                of.table.table,
                [(of.index.keys[number].dimensions, of.index.keys[number].measure_name) for number in of.series],
            )
            for of in self.found(account, zone, table)
        ]

    def devices(self, account: str, table: str | None, zone: str | None, limit: int) -> list[Device]:
        """See `Directory`."""
        found = [
            device
            for info in self._catalog.tables(account)
            if has_devices(info.table, table)
            for store in self._stores()
            for device in self._newest(store, info.table, zone, limit)
        ]
        return newest(found, limit)

    def latest(self, request: LatestRequest) -> LatestPart:
        """See `Directory`."""
        parts: list[LatestPart] = []
        for info in self._catalog.tables(request.account):
            if is_asked(info.table, request.table):
                for store in self._stores():
                    with suppress(UnknownTable, UnknownDatabase):  # deleted in the meantime
                        parts += self._latest_of(store).parts(info, request)
        return latest.newest(parts, request.limit)

    def search(self, request: SeriesRequest) -> SeriesPage:
        """See `Directory`."""
        pages: list[SeriesPage] = []
        for info in self._catalog.tables(request.account):
            if has_devices(info.table, request.table):
                for store in self._stores():
                    with suppress(UnknownTable, UnknownDatabase):  # deleted in the meantime
                        pages.append(self._series_of(store).page(info, request))
        return search.merged(pages, request.limit)

    def _series_of(self, store: PartitionStore) -> SeriesOfStore:
        found = self._series.get(store)
        if found is None:
            found = self._series.setdefault(store, SeriesOfStore(store, self._zones_of(store)))
        return found

    def live(self, request: LiveRequest) -> LivePart:
        """See `Directory`."""
        return live.merged([self._live_part(store, request) for store in self._stores()], request.devices)

    def _live_part(self, store: PartitionStore, request: LiveRequest) -> LivePart:
        of_store = self._live.get(store)
        if of_store is None:
            of_store = self._live.setdefault(store, LiveOfStore(store))
        zones: list[LiveZone] = []
        devices: list[Device] = []
        series = records = 0
        for info in self._catalog.tables(request.account):
            if has_devices(info.table, request.table):
                with suppress(UnknownTable, UnknownDatabase):  # deleted in the meantime
                    zones += of_store.zones(info, request)
                for zone in request.zones or (None,):
                    devices += self._newest(store, info.table, zone, request.devices)
                series += int(np.count_nonzero(store.last_times(info.table) != NEVER_NS))
                records += store.applied_records(info.table)
        return LivePart(zones, newest(devices, request.devices), series, records)

    def _latest_of(self, store: PartitionStore) -> LatestOfStore:
        found = self._latest.get(store)
        if found is None:
            found = self._latest.setdefault(store, LatestOfStore(store, self._zones_of(store)))
        return found

    def _zones_of(self, store: PartitionStore) -> Zones:
        zones = self._zones.get(store)
        if zones is None:
            zones = self._zones.setdefault(store, Zones(store))
        return zones

    def _newest(self, store: PartitionStore, table: TableId, zone: str | None, limit: int) -> Iterable[Device]:
        """The table's series with the newest rows, at most `limit`."""
        if not limit:
            return
        last_ns = store.last_times(table)
        numbers = np.arange(len(last_ns))
        if zone is not None:
            in_zone = np.array(self._zones_of(store).series_of(table, zone), np.intp)
            numbers = in_zone[in_zone < len(last_ns)]
        # A series whose first record is between normalise and the store has no row yet.
        numbers = numbers[last_ns[numbers] != NEVER_NS]
        index = store.registry.of(table)
        if len(numbers) > limit:
            numbers = numbers[np.argpartition(last_ns[numbers], len(numbers) - limit)[-limit:]]
        for number in numbers[np.argsort(last_ns[numbers])[::-1]].tolist():
            key = index.keys[number]
            where = table.database, table.table, index.zones[number]
            yield Device(int(last_ns[number]), *where, key.dimensions, key.measure_name)


def together(members: Sequence[Members]) -> Members:
    """The series of one table in several indexes, merged into one index."""
    if len(members) == 1:
        return members[0]
    index = SeriesIndex(members[0].table)
    series = {index.id_of(of.index.keys[number], of.index.zones[number]) for of in members for number in of.series}
    return Members(index, sorted(series))


def by_table(zones: Mapping[str, Members]) -> list[tuple[SeriesIndex, dict[str, Sequence[int]]]]:
    """The zones' series, with one index per table."""
    found: dict[TableId, dict[str, Members]] = {}
    for zone, members in zones.items():
        found.setdefault(members.table, {})[zone] = members
    return [_in_one_index(table, of) for table, of in found.items()]


def _in_one_index(table: TableId, zones: Mapping[str, Members]) -> tuple[SeriesIndex, dict[str, Sequence[int]]]:
    indexes = {id(members.index): members.index for members in zones.values()}
    if len(indexes) == 1:
        return indexes.popitem()[1], {zone: members.series for zone, members in zones.items()}
    index = SeriesIndex(table)
    return index, {
        zone: [index.id_of(members.index.keys[number], zone) for number in members.series]
        for zone, members in zones.items()
    }


def members_of(account: str, zone: str, series: ZoneSeries) -> Members:
    """Series from another worker, in a new index."""
    index = SeriesIndex(TableId(account, series.database, series.table))
    ids = [index.id_of(SeriesKey(dimensions, name), zone) for dimensions, name in series.series]
    return Members(index, ids)


def merge_zones(found: Iterable[ZoneSummary]) -> list[ZoneSummary]:
    """One summary per zone, by table and name: partitions have different sensors of a zone."""
    merged: dict[tuple[str, str, str], ZoneSummary] = {}
    for summary in found:
        known = merged.get(summary.key)
        sensors = summary.sensors + (known.sensors if known else 0)
        last_ns = max(summary.last_ns, known.last_ns) if known else summary.last_ns
        merged[summary.key] = ZoneSummary(*summary.key, sensors, last_ns)
    return [merged[key] for key in sorted(merged)]


def merge_tables(found: Iterable[TableSummary]) -> list[TableSummary]:
    """One summary per table, by name: partitions have different series of a table."""
    merged: dict[tuple[str, str], TableSummary] = {}
    for summary in found:
        key = summary.database, summary.table
        merged[key] = merged[key] + summary if key in merged else summary
    return [merged[key] for key in sorted(merged)]


def newest(devices: Iterable[Device], limit: int) -> list[Device]:
    """The `limit` devices with the newest rows, newest first."""
    return heapq.nlargest(limit, devices, key=lambda device: (device.last_ns, device.database, device.table))


def _table(table: TableId, store: PartitionStore) -> TableSummary:
    last_ns = store.last_times(table)
    heard = last_ns[last_ns != NEVER_NS]
    summary = TableSummary(table.database, table.table, len(heard), int(heard.max()) if len(heard) else None)
    opened = store.opened(table)
    if opened is None:
        return summary
    size = opened.size()
    return msgspec.structs.replace(
        summary,
        memory_bytes=size.memory_bytes,
        memory_values=size.values,
        magnetic_bytes=size.magnetic_bytes,
        counted_bytes=size.counted_bytes,
        counted_values=size.counted_values,
    )


def _zones(store: PartitionStore, zones: Zones, table: TableId) -> Iterable[ZoneSummary]:
    keys = store.registry.of(table).keys
    last_ns = store.last_times(table)
    for zone, series in zones.of_table(table).items():
        # A series whose first record is between normalise and the store has no row yet.
        heard = [number for number in series if number < len(last_ns) and last_ns[number] != NEVER_NS]
        if heard:
            sensors = len({keys[number].dimensions for number in heard})
            yield ZoneSummary(table.database, table.table, zone, sensors, int(max(last_ns[heard])))
