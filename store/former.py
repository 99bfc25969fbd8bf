"""Migrates a store folder of format 1, of a single worker, to objects in the magnetic tier.

    catalog.json        accounts ▸ databases ▸ tables
    positions.json      the log's partitions in order of appearance, and the offset below which each may be trimmed
    checkpoint          rows of many small tables
    series/<account>/<database>/<table>/keys    blocks of length and CRC-32 (little-endian uint32 each) and MessagePack
    series/<account>/<database>/<table>/state   last times, columns, superseded times

The folder is not changed. The objects are computed from it and from the Delta tables, and created only if they do not
exist yet, the catalog last. So a second run after a crash creates the same objects, and until the end there is no
catalog.
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
from store.state.partition_state import PartitionState
from store.state.pending_rows import Entry
from store.state.series import SavedSeries

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


_ENTRIES = msgspec.msgpack.Decoder(list[Entry])
_STATE = msgspec.msgpack.Decoder(_State)


@dataclass(frozen=True, slots=True)
class Former:
    """The content of a folder: catalog (None if there never was a table), low watermarks, and pending rows."""

    folder: Path
    document: Document | None
    low_watermarks: dict[str, int]
    pending_rows: list[Entry]

    @classmethod
    def read(cls, folder: Path) -> Former:
        """Read a folder.

        Raises StoreFormatError if a file that cannot be rebuilt is damaged, or if the catalog is lost.
        """
        version = _bytes(folder / layout.FORMAT)
        if version not in {None, b"1\n"}:
            raise StoreFormatError(f"{folder} has format {version!r}; this program migrates 1")
        low_watermarks, partitions = _positions(folder)
        try:
            data = _bytes(folder / PENDING_ROWS)
            entries = [] if data is None else _ENTRIES.decode(data)
            kept = _bytes(folder / CATALOG)
            document = None if kept is None else Document.decode(kept, {})
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
            raise StoreFormatError(f"{folder} is damaged: {error!r}; put it back from a backup") from error
        if document is None and (entries or (folder / SERIES).exists()):
            raise StoreFormatError(
                f"{folder / CATALOG} is missing, and there were tables. Put it back from a backup, or move {folder} "
                "and the magnetic tier away to start without data: without it no table is known"
            )
        if document is not None:
            document.partitions = partitions or max(
                (_partitions_of(folder, table) for table in document.tables), key=len, default=[]
            )
            # A table that was created again has the folder of the deleted one, which must not be removed
            document.deleted = {table: of for table, of in document.deleted.items() if table not in document.tables}
        return cls(folder, document, low_watermarks, entries)

    def hand_over(self, objects: Objects, magnetic: Path | S3Location, own_partition: str) -> None:
        """Create the objects from which the owner of `own_partition`, now the only partition of the log, starts.

        Raises StoreFormatError if there is already a catalog of other workers, MagneticTierError.
        """
        keep = PartitionState(objects, own_partition)
        low_watermark = self.low_watermarks.get(own_partition)
        if self.document is not None:
            catalog = self._catalog(objects, self.document)
            for table in self.document.tables:
                tier = self._table(keep, magnetic, table, own_partition)
                if tier.set_aside and low_watermark is not None:  # those rows must be read again from the log
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
        """The catalog to be saved; None if it already is."""
        data = document.encode()
        there = CatalogVersions(objects).load()
        if there not in {None, data}:
            raise StoreFormatError(
                f"{objects.url}/{layout.CATALOG} is another catalog than {self.folder / CATALOG}: workers on "
                "another log have created it. Name another magnetic.url, or move one of the two away"
            )
        return data if there is None else None

    def _table(
        self, keep: PartitionState, magnetic: Path | S3Location, table: TableId, own_partition: str
    ) -> MagneticTier:
        """Open the Delta table; register columns of pending rows, and save the series, valid for its position."""
        assert self.document is not None
        tier = MagneticTier(layout.table_folder(magnetic, table), self.document.partitions, own_partition)
        columns = [
            Column(name, kind_of(kind), MeasureType(type_), physical)
            for entry in self.pending_rows
            if entry.id == table
            for name, kind, type_, physical in entry.columns
        ]
        if columns:  # every column must be registered before rows with it are read
            tier.register(columns)
        index = SeriesIndex(table)
        found = _series(_folder_of(self.folder, table), index)
        if found is not None:
            last_ns, superseded_ns = (np.frombuffer(times, np.int64) for times in (found.last_ns, found.superseded_ns))
            position = max(tier.version.positions.get(own_partition, -1), 0)
            SavedSeries(keep, layout.series_kind(table)).save(index, last_ns, superseded_ns, position)
        return tier

    def _rows(self, keep: PartitionState, own_partition: str) -> None:
        """Save the pending rows: all rows up to one position that are in no Delta table."""
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
    """The partitions, by their numbers when the table was last saved."""
    state = _state(_folder_of(folder, table))
    return [] if state is None else state.partitions


def _state(folder: Path) -> _State | None:
    data = _bytes(folder / "state")
    try:
        return None if data is None else _STATE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _series(folder: Path, index: SeriesIndex) -> _State | None:
    """Fill `index`; None if the state is missing or damaged: then it is rebuilt from the Delta table."""
    state, data = _state(folder), _bytes(folder / "keys")
    if state is None or data is None:
        return None
    at = 0
    while at + _BLOCK.size <= len(data):
        length, checksum = _BLOCK.unpack_from(data, at)
        content = data[at + _BLOCK.size : at + _BLOCK.size + length]
        if len(content) < length or zlib.crc32(content) != checksum:
            break  # torn at the end, and not referred to by the state
        for dimensions, measure_name, zone in _KEYS.decode(content):
            index.id_of(SeriesKey(dimensions, measure_name), zone)
        at += _BLOCK.size + length
    return state if len(state.last_ns) // 8 <= len(index) and state.series <= len(index) else None


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
