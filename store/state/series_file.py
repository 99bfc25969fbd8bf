"""The series of a table on disk: their keys, appended, and what is known of each, replaced as a whole.

Written before every magnetic commit. To be ahead of the commit is harmless: a last time that is too high only costs a
look-up. To be behind would let a stored row in twice, so a missing or damaged file is made anew from the magnetic tier.

`keys` is a sequence of blocks: length and CRC-32 of the content (little-endian uint32 each), then MessagePack
[[dimensions, measure name, zone] …]; a series stands there again where its zone has changed. A block that is torn at
the end was never relied upon and is cut off.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from store import layout
from store.catalog.schema import Column, Columns, kind_of
from store.objects.files import fsync_folder, make_folders, write_atomic
from store.record import Int64s, MeasureType, SeriesIndex, SeriesKey

_BLOCK = struct.Struct("<II")


class _State(msgspec.Struct, array_like=True):
    columns: list[tuple[str, str, str, str]]  # name, kind, type, physical
    partitions: list[str]
    last_ns: bytes
    superseded_ns: bytes
    series: int


@dataclass(slots=True)
class Persisted:
    """What was read back."""

    columns: Columns
    partitions: list[str]
    last_ns: Int64s
    superseded_ns: Int64s
    offset: int | None = None  # of a store of a partition: up to which it is good


class SeriesKeeping(Protocol):
    """What is kept of a table's series. One thread writes."""

    def load(self, index: SeriesIndex) -> Persisted | None:
        """Fill `index` and return the rest; None if there is nothing, or nothing that can be relied on."""
        ...

    def save(
        self,
        index: SeriesIndex,
        columns: list[Column],
        partitions: list[str],
        last_ns: Int64s,
        superseded_ns: Int64s,
        positions: Mapping[str, int],
    ) -> None:
        """Write all of it durably: it is good for rows up to `positions`."""
        ...

    def restart(self) -> None:
        """Forget what is kept; the next `save` writes every key."""
        ...


class SeriesFile:
    """The two files of one table. One thread writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0
        self._zones: list[str | None] = []  # of the series written
        self._rezoned = 0  # of the index, then

    def partitions(self) -> list[str]:
        """The partitions by their numbers when this was saved; none if there is nothing, or it is damaged."""
        try:
            return msgspec.msgpack.decode((self._folder / layout.SERIES_STATE).read_bytes(), type=_State).partitions
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return []

    def load(self, index: SeriesIndex) -> Persisted | None:
        """Fill `index` and return the rest; None if there is nothing, or nothing that can be relied on."""
        keys, state = self._folder / layout.SERIES_KEYS, self._folder / layout.SERIES_STATE
        if not keys.exists() or not state.exists():
            return None
        try:
            found = msgspec.msgpack.decode(state.read_bytes(), type=_State)
            length = _load_keys(keys.read_bytes(), index)
            columns = Columns.of(
                Column(name, kind_of(kind), MeasureType(type_), physical)
                for name, kind, type_, physical in found.columns
            )
        except (msgspec.MsgspecError, ValueError):
            return None
        last_ns = np.frombuffer(found.last_ns, np.int64)
        if len(last_ns) > len(index) or found.series > len(index):
            return None
        os.truncate(keys, length)
        self._written, self._zones, self._rezoned = len(index), list(index.zones), index.rezoned
        return Persisted(columns, found.partitions, last_ns, np.frombuffer(found.superseded_ns, np.int64))

    def save(
        self,
        index: SeriesIndex,
        columns: list[Column],
        partitions: list[str],
        last_ns: Int64s,
        superseded_ns: Int64s,
        positions: Mapping[str, int],  # noqa: ARG002  # the commit that follows has them
    ) -> None:
        """Write all of it durably; `last_ns` has one entry for each series that counts."""
        make_folders(self._folder)
        self._append_keys(index, len(last_ns))
        state = _State(
            [(column.name, column.kind, column.type.value, column.physical) for column in columns],
            partitions,
            last_ns.tobytes(),
            superseded_ns.tobytes(),
            len(last_ns),
        )
        write_atomic(self._folder / layout.SERIES_STATE, msgspec.msgpack.encode(state))

    def restart(self) -> None:
        """Forget what is on disk; the next `save` writes every key."""
        (self._folder / layout.SERIES_KEYS).unlink(missing_ok=True)
        (self._folder / layout.SERIES_STATE).unlink(missing_ok=True)
        self._written, self._zones = 0, []

    def _append_keys(self, index: SeriesIndex, end: int) -> None:
        rezoned, zones = index.rezoned, index.zones[:end]
        rows = list(range(self._written, end))
        if rezoned != self._rezoned:
            rows += [series for series, zone in enumerate(self._zones) if zone != zones[series]]
        if not rows:
            return
        content = msgspec.msgpack.encode(
            [(index.keys[i].dimensions, index.keys[i].measure_name, zones[i]) for i in rows]
        )
        is_new = not (self._folder / layout.SERIES_KEYS).exists()
        with (self._folder / layout.SERIES_KEYS).open("ab") as file:
            file.write(_BLOCK.pack(len(content), zlib.crc32(content)) + content)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            fsync_folder(self._folder)
        self._written, self._zones, self._rezoned = end, zones, rezoned


def _load_keys(data: bytes, index: SeriesIndex) -> int:
    """Fill `index`; how many bytes were whole blocks."""
    decoder = msgspec.msgpack.Decoder(list[tuple[tuple[tuple[str, str], ...], str, str | None]])
    at = 0
    while at + _BLOCK.size <= len(data):
        length, checksum = _BLOCK.unpack_from(data, at)
        content = data[at + _BLOCK.size : at + _BLOCK.size + length]
        if len(content) < length or zlib.crc32(content) != checksum:
            break
        for dimensions, measure_name, zone in decoder.decode(content):
            index.id_of(SeriesKey(dimensions, measure_name), zone)
        at += _BLOCK.size + length
    return at
