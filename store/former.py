"""A store folder of format 1, made into objects beside the tables: what one worker had for itself, as all have it now.

    catalog.json        accounts ▸ databases ▸ tables
    positions.json      the log's partitions in the order first seen, and up to where each may be trimmed
    checkpoint          rows of many small tables
    series/<account>/<database>/<table>/keys    blocks of length and CRC-32 (little-endian uint32 each) and MessagePack
    series/<account>/<database>/<table>/state   last times, columns, superseded times

Nothing in the folder is changed. What is made is a function of it and of the Delta tables, and made only if it is not
there yet, the catalog last: after a crash a second run makes the same, and until it has there is no catalog.
"""

from __future__ import annotations

import json
import logging
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from store import layout
from store.catalog.document import Document
from store.catalog.schema import Column, kind_of
from store.catalog.versions import CatalogVersions
from store.errors import StoreFormatError
from store.magnetic.tier import MagneticTier
from store.objects.location import S3Location
from store.objects.objects import Objects
from store.record import MeasureType, SeriesIndex, SeriesKey, TableId
from store.state.keep import PartitionState
from store.state.pending_rows import Entry
from store.state.series import KeptSeries

log = logging.getLogger(__name__)

CATALOG, POSITIONS, PENDING_ROWS, SERIES = "catalog.json", "positions.json", "checkpoint", "series"
_BLOCK = struct.Struct("<II")
_KEYS = msgspec.msgpack.Decoder(list[tuple[tuple[tuple[str, str], ...], str, str | None]])


class _State(msgspec.Struct, array_like=True):
    columns: list[tuple[str, str, str, str]]
    partitions: list[str]
    last_ns: bytes
    superseded_ns: bytes
    series: int


@dataclass(frozen=True, slots=True)
class Former:
    """What a folder holds: its catalog, None where there never was a table; and how far each partition is durable."""

    folder: Path
    document: Document | None
    low_watermarks: dict[str, int]
    pending_rows: list[Entry]

    @classmethod
    def read(cls, folder: Path) -> Former:
        """Raises StoreFormatError if something that cannot be made anew is damaged, or the catalog is lost."""
        version = _bytes(folder / layout.FORMAT)
        if version not in {None, b"1\n"}:
            raise StoreFormatError(f"{folder} has format {version!r}; this program migrates 1")
        low_watermarks, partitions = _positions(folder)
        try:
            data = _bytes(folder / PENDING_ROWS)
            entries = [] if data is None else msgspec.msgpack.decode(data, type=list[Entry])
            kept = _bytes(folder / CATALOG)
            document = None if kept is None else Document.decode(kept, {})
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
            raise StoreFormatError(f"{folder} is damaged: {error!r}; put it back from a backup") from error
        if document is None and (entries or (folder / SERIES).exists()):
            raise StoreFormatError(
                f"{folder / CATALOG} is missing, and there were tables. Put it back from a backup, or move {folder} "
                "and the magnetic tier away to begin anew: without it no table is known"
            )
        if document is not None:
            document.partitions = partitions or max(
                (_partitions_of(folder, table) for table in document.tables), key=len, default=[]
            )
            # A table made anew has the folder of the one before: it must not be taken for what is left of that
            document.buried = {table: of for table, of in document.buried.items() if table not in document.tables}
        return cls(folder, document, low_watermarks, entries)

    def hand_over(self, objects: Objects, magnetic: Path | S3Location, own_partition: str) -> None:
        """Make of it what the owner of the partition `own_partition`, the log's only one now, finds.

        Raises StoreFormatError if there is a catalog of others already, MagneticTierError.
        """
        keep = PartitionState(objects, own_partition)
        low_watermark = self.low_watermarks.get(own_partition)
        if self.document is not None:
            catalog = self._catalog(objects, self.document)
            for table in self.document.tables:
                tier = self._table(keep, magnetic, table, own_partition)
                if tier.set_aside and low_watermark is not None:  # those rows are to come again from the log
                    low_watermark = min(low_watermark, tier.version.positions.get(own_partition, -1) + 1)
            self._rows(keep, own_partition)
            if low_watermark is not None:
                keep.save(layout.LOW_WATERMARK, low_watermark, b"")
            if catalog is not None:
                CatalogVersions(objects).save(catalog)
        elif low_watermark is not None:
            keep.save(layout.LOW_WATERMARK, low_watermark, b"")
            CatalogVersions(objects).save(Document(partitions=[own_partition]).encode())

    def _catalog(self, objects: Objects, document: Document) -> bytes | None:
        """What is to be the catalog; None if it is already."""
        data = document.encode()
        there = CatalogVersions(objects).load()
        if there not in {None, data}:
            raise StoreFormatError(
                f"{objects.url}/{layout.CATALOG} is another catalog than {self.folder / CATALOG}: workers on "
                "another log have made it. Name another magnetic.url, or move one of the two away"
            )
        return data if there is None else None

    def _table(
        self, keep: PartitionState, magnetic: Path | S3Location, table: TableId, own_partition: str
    ) -> MagneticTier:
        """Hand the series of a table over, as good for what its Delta table has, which is opened; and its columns."""
        assert self.document is not None
        tier = MagneticTier(layout.table_folder(magnetic, table), self.document.partitions, own_partition)
        columns = [
            Column(name, kind_of(kind), MeasureType(type_), physical)
            for entry in self.pending_rows
            if entry.id == table
            for name, kind, type_, physical in entry.columns
        ]
        if columns:  # every column is registered before a row that is read has it
            tier.register(columns)
        index = SeriesIndex(table)
        found = _series(_folder_of(self.folder, table), index)
        if found is not None:
            last_ns, superseded_ns = (np.frombuffer(times, np.int64) for times in (found.last_ns, found.superseded_ns))
            position = max(tier.version.positions.get(own_partition, -1), 0)
            KeptSeries(keep, layout.series_kind(table)).save(index, last_ns, superseded_ns, position)
        return tier

    def _rows(self, keep: PartitionState, own_partition: str) -> None:
        """The pending rows: all rows up to one position that no Delta table has."""
        if self.pending_rows:
            position = max(entry.positions.get(own_partition, -1) for entry in self.pending_rows)
            keep.save(layout.PENDING_ROWS, max(position, 0), msgspec.msgpack.encode(self.pending_rows))


def _positions(folder: Path) -> tuple[dict[str, int], list[str]]:
    data = _bytes(folder / POSITIONS)
    if data is None:
        return {}, []
    try:
        document = json.loads(data)
        return dict(document["floors"]), list(document["streams"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreFormatError(
            f"{folder / POSITIONS} is damaged: {error}; move it away, and the whole log is read again"
        ) from error


def _folder_of(folder: Path, table: TableId) -> Path:
    return layout.table_folder(folder / SERIES, table)


def _partitions_of(folder: Path, table: TableId) -> list[str]:
    """The partitions by their numbers when the table was saved last."""
    state = _state(_folder_of(folder, table))
    return [] if state is None else state.partitions


def _state(folder: Path) -> _State | None:
    data = _bytes(folder / "state")
    try:
        return None if data is None else msgspec.msgpack.decode(data, type=_State)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _series(folder: Path, index: SeriesIndex) -> _State | None:
    """Fill `index`; None if there is nothing that can be relied on: it is made anew from the Delta table."""
    state, data = _state(folder), _bytes(folder / "keys")
    if state is None or data is None:
        return None
    at = 0
    while at + _BLOCK.size <= len(data):
        length, checksum = _BLOCK.unpack_from(data, at)
        content = data[at + _BLOCK.size : at + _BLOCK.size + length]
        if len(content) < length or zlib.crc32(content) != checksum:
            break  # torn at the end, and never relied upon
        for dimensions, measure_name, zone in _KEYS.decode(content):
            index.id_of(SeriesKey(dimensions, measure_name), zone)
        at += _BLOCK.size + length
    return state if len(state.last_ns) // 8 <= len(index) and state.series <= len(index) else None


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
