"""The directory over all workers of a group: each answers for its own partitions, and the answers are merged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from pipeline.api.inventory import cardinality, latest, live, search
from pipeline.api.inventory.cardinality import DimensionValues
from pipeline.api.inventory.device import Device
from pipeline.api.inventory.directory import Members, TableSummary, ZoneSeries, ZoneSummary, one_table
from pipeline.api.inventory.latest import LatestPart, LatestRequest
from pipeline.api.inventory.live import LivePart, LiveRequest
from pipeline.api.inventory.search import SeriesPage, SeriesRequest
from pipeline.api.inventory.stores import StoreDirectory, members_of, merge_tables, merge_zones, newest, together
from pipeline.cluster.peers import Peers, Question
from store.record import TableId

Request = TypeVar("Request")
Part = TypeVar("Part")


class InventoryRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request to a worker's directory."""

    account: str
    table: str | None = None
    zone: str | None = None
    limit: int = 0


_zones_decoder = msgspec.msgpack.Decoder(list[ZoneSummary])
_tables_decoder = msgspec.msgpack.Decoder(list[TableSummary])
_dimensions_decoder = msgspec.msgpack.Decoder(list[DimensionValues])
_devices_decoder = msgspec.msgpack.Decoder(list[Device])
_series_decoder = msgspec.msgpack.Decoder(list[ZoneSeries])
_latest_decoder = msgspec.msgpack.Decoder(LatestPart)
_search_decoder = msgspec.msgpack.Decoder(SeriesPage)
_live_decoder = msgspec.msgpack.Decoder(LivePart)


class SharedDirectory:
    """The `Directory` of a worker in a group. Its methods raise PeerUnavailable if the answer is incomplete."""

    def __init__(self, own: StoreDirectory, peers: Peers) -> None:
        self._own = own
        self._peers = peers

    def zones(self, account: str, table: str | None) -> list[ZoneSummary]:
        """See `Directory`."""
        found = self._peers.ask_all(
            _question("zones", InventoryRequest(account, table)),
            lambda _: self._own.zones(account, table),
            _zones_decoder.decode,
        )
        return merge_zones(found)

    def tables(self, account: str) -> list[TableSummary]:
        """See `Directory`."""
        found = self._peers.ask_all(
            _question("tables", InventoryRequest(account)),
            lambda _: self._own.tables(account),
            _tables_decoder.decode,
        )
        return merge_tables(found)

    def dimensions(self, account: str, table: str | None) -> list[DimensionValues]:
        """See `Directory`."""
        found = self._peers.ask_all(
            _question("dimensions", InventoryRequest(account, table)),
            lambda _: self._own.dimensions(account, table),
            _dimensions_decoder.decode,
        )
        return cardinality.merged(found)

    def members(self, account: str, zone: str, table: str | None) -> Members:
        """See `Directory`."""
        found: dict[TableId, list[Members]] = {}
        for members in self._found(account, zone, table):
            found.setdefault(members.table, []).append(members)
        return one_table(zone, table, [together(parts) for parts in found.values()])

    def devices(self, account: str, table: str | None, zone: str | None, limit: int) -> list[Device]:
        """See `Directory`."""
        found = self._peers.ask_all(
            _question("devices", InventoryRequest(account, table, zone, limit)),
            lambda _: self._own.devices(account, table, zone, limit),
            _devices_decoder.decode,
        )
        return newest(found, limit)

    def latest(self, request: LatestRequest) -> LatestPart:
        """See `Directory`."""
        parts = self._parts("latest", request, self._own.latest, _latest_decoder)
        return latest.newest(parts, request.limit)

    def search(self, request: SeriesRequest) -> SeriesPage:
        """See `Directory`."""
        pages = self._parts("search", request, self._own.search, _search_decoder)
        return search.merged(pages, request.limit)

    def live(self, request: LiveRequest) -> LivePart:
        """See `Directory`."""
        parts = self._parts("live", request, self._own.live, _live_decoder)
        return live.merged(parts, request.devices)

    def _parts(
        self, path: str, request: Request, own: Callable[[Request], Part], decoder: msgspec.msgpack.Decoder[Part]
    ) -> list[Part]:
        """The answer of each worker."""
        return self._peers.ask_all(
            Question(path, lambda _: msgspec.msgpack.encode(request)),
            lambda _: [own(request)],
            lambda data: [decoder.decode(data)],
        )

    def _found(self, account: str, zone: str, table: str | None) -> list[Members]:
        return self._peers.ask_all(
            _question("series", InventoryRequest(account, table, zone)),
            lambda _: self._own.found(account, zone, table),
            lambda data: [members_of(account, zone, series) for series in _series_decoder.decode(data)],
        )


def _question(path: str, request: InventoryRequest) -> Question:
    return Question(path, lambda _: msgspec.msgpack.encode(request))
