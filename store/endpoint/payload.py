"""A WriteRecords request in the log: validated, in columns, for one table.

A payload has passed all checks that do not need the table's rows; the store applies the rest, the version rules, when
it applies the payload, in log order. So a payload does not depend on anything else: times are absolute, measures typed,
and the zone of each series is included. It is one MessagePack array:

    [format version, database, table, series …, series of each record, time_ns …, version …, measures …]

A series is [measure name, [[dimension, value] …] sorted by name, zone or nil], and a measure [column, type, values …],
nil if a record does not have it. Records keep the order of the request: the store's outcomes are in that order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.endpoint.errors import DamagedPayload
from store.record import (
    Dimensions,
    Int64s,
    MeasureType,
    Outcome,
    RecordBatch,
    Request,
    SeriesIndex,
    SeriesKey,
    SeriesRegistry,
    TableId,
)

FORMAT_VERSION = 1

Value = float | int | bool | str


class WriteRecord(msgspec.Struct, frozen=True):
    """One record of a WriteRecords request, with its common attributes merged and every text converted.

    values   (column, type, value) of each measure; the column of a single measure is `measure_value::<type>`, and the
             value of a timestamp is in nanoseconds
    zone     the zone's name, if the table has zones and the record has their dimensions
    """

    dimensions: Dimensions
    measure_name: str
    time_ns: int
    version: int
    values: tuple[tuple[str, MeasureType, Value], ...]
    zone: str | None = None


Series = tuple[str, Dimensions, str | None]
"""Measure name, dimensions sorted by name, and zone."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The records of a request in columns, of one length, in the request's order.

    series_of  the place of each record's series in `series`
    is_import  whether they are of the past: see `RecordBatch`
    """

    series: Sequence[Series]
    series_of: Int64s
    time_ns: Int64s
    version: Int64s
    measures: Mapping[str, pa.Array]
    types: Mapping[str, MeasureType]
    is_import: bool = False


class InLog(Protocol):
    """A decoded payload."""

    def parts(self) -> Parts:
        """Its records. Raises ValueError, TypeError, OverflowError, pyarrow.ArrowException if they do not fit."""
        ...


class _Payload(msgspec.Struct, array_like=True, frozen=True):
    format_version: int
    database: str
    table: str
    series: list[Series]
    series_of: list[int]
    time_ns: list[int]
    version: list[int]
    measures: list[tuple[str, MeasureType, list[Value | None]]]

    def parts(self) -> Parts:
        return Parts(
            self.series,
            np.array(self.series_of, np.int64),
            np.array(self.time_ns, np.int64),
            np.array(self.version, np.int64),
            {column: pa.array(values, measure_type.arrow) for column, measure_type, values in self.measures},
            {column: measure_type for column, measure_type, _ in self.measures},
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Payload)


def encode_write(database: str, table: str, records: Sequence[WriteRecord]) -> bytes:
    """Encode these records (n ≥ 1) for the log. The caller has checked that each column has one type."""
    series: dict[tuple[str, Dimensions], int] = {}
    zones: list[str | None] = []
    types: dict[str, MeasureType] = {}
    columns: dict[str, list[Value | None]] = {}
    series_of = []
    for row, record in enumerate(records):
        series_of.append(series.setdefault((record.measure_name, record.dimensions), len(series)))
        if len(zones) < len(series):
            zones.append(record.zone)
        for column, measure_type, value in record.values:
            if column not in types:
                types[column], columns[column] = measure_type, [None] * len(records)
            columns[column][row] = value
    return _encoder.encode(
        _Payload(
            FORMAT_VERSION,
            database,
            table,
            [(*key, zone) for key, zone in zip(series, zones, strict=True)],
            series_of,
            [record.time_ns for record in records],
            [record.version for record in records],
            [(column, types[column], values) for column, values in columns.items()],
        )
    )


@dataclass(frozen=True, slots=True)
class ColumnRoom:
    """The columns that a table may still get: `new_measures` besides the `known` ones; dimensions in all."""

    known: Collection[str]
    new_measures: int
    dimensions: int


@dataclass(frozen=True, slots=True)
class DecodedWrite:
    """A request in the log, for `table`, not yet a batch."""

    table: TableId
    _payload: InLog

    def batch(
        self, registry: SeriesRegistry, partition: str, offset: int, arrival_ns: int, room: ColumnRoom | None = None
    ) -> RecordBatch:
        """The records as a batch of their table, in the request's order, under version rules.

        Adds new series to `registry`. Records for which there is no room are refused. Raises DamagedPayload if the
        parts of the request do not fit together. Called in log order by the thread that owns the registry.
        """
        try:
            return _batch(self._payload.parts(), registry.of(self.table), partition, offset, arrival_ns, room)
        except (ValueError, TypeError, OverflowError, IndexError, pa.ArrowException) as error:
            raise DamagedPayload(f"a WriteRecords request whose parts do not fit together: {error}") from error


def read_write(payload: bytes, account: str) -> DecodedWrite:
    """The request in `payload`. Raises DamagedPayload for bytes that are not from `encode_write` of a known version."""
    return decoded(_decoder, FORMAT_VERSION, payload, account, "a WriteRecords request")


def decoded(
    decoder: msgspec.msgpack.Decoder[Any], format_version: int, payload: bytes, account: str, what: str
) -> DecodedWrite:
    """What `decoder` makes of `payload`. Raises DamagedPayload if that is nothing, or of another version."""
    try:
        found = decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second for text that is not UTF-8
        raise DamagedPayload(f"{len(payload)} bytes that are not {what}: {error}") from error
    if found.format_version != format_version:
        raise DamagedPayload(f"{what} of format version {found.format_version}; this program reads {format_version}")
    return DecodedWrite(TableId(account, found.database, found.table), found)


def decode_write(
    payload: bytes, account: str, registry: SeriesRegistry, partition: str, offset: int, arrival_ns: int
) -> RecordBatch:
    """The records of one request, whatever columns they need: `read_write` and `DecodedWrite.batch` in one."""
    return read_write(payload, account).batch(registry, partition, offset, arrival_ns)


def _batch(
    parts: Parts, index: SeriesIndex, partition: str, offset: int, arrival_ns: int, room: ColumnRoom | None
) -> RecordBatch:
    count = len(parts.time_ns)
    lengths = {len(parts.series_of), len(parts.version), *map(len, parts.measures.values())}
    if not count or lengths != {count}:
        raise ValueError(f"{count} times, but columns of {sorted(lengths)} values")
    if parts.series_of.min() < 0 or parts.series_of.max() >= len(parts.series):
        raise IndexError(f"a record of series {parts.series_of.max()} where there are {len(parts.series)}")
    outcomes = np.full(count, Outcome.NEW, np.uint8)
    if room is not None:
        _refuse_columns(parts, index, room, outcomes)
    series = _series(parts, index, outcomes)
    batch = RecordBatch(
        index=index,
        partition=partition,
        series=series.astype(np.int32),
        time_ns=parts.time_ns,
        version=parts.version,
        offset=np.full(count, offset, dtype=np.int64),
        arrival_ns=np.full(count, arrival_ns, dtype=np.int64),
        measures=parts.measures,
        types=parts.types,
        by_version=True,
        requests=(Request(offset, count),),
        is_import=parts.is_import,
    )
    if not outcomes.any():
        return batch
    taken = batch.take(np.flatnonzero(outcomes == Outcome.NEW))
    kept = {name: values for name, values in taken.measures.items() if values.null_count < len(values)}
    types = {name: taken.types[name] for name in kept}
    return replace(taken, measures=kept, types=types, requests=(Request(offset, len(taken), outcomes),))


def _refuse_columns(parts: Parts, index: SeriesIndex, room: ColumnRoom, outcomes: npt.NDArray[np.uint8]) -> None:
    """Refuse the records with measures or dimensions beyond the room, the first ones of the request having it."""
    left = room.new_measures
    for column, values in parts.measures.items():
        if column in room.known:
            continue
        left -= 1
        if left < 0:
            outcomes[values.is_valid().to_numpy(zero_copy_only=False)] = Outcome.TOO_MANY_COLUMNS
    names = set(index.dimensions)
    for series, (_, dimensions, _) in enumerate(parts.series):
        others = {name for name, _ in dimensions if name not in names}
        if len(names) + len(others) <= room.dimensions or not others:
            names |= others
        else:
            outcomes[parts.series_of == series] = Outcome.TOO_MANY_COLUMNS


def _series(parts: Parts, index: SeriesIndex, outcomes: npt.NDArray[np.uint8]) -> Int64s:
    """The id of each record's series; new series are added for records that are not refused, while there is room."""
    ids = np.zeros(len(parts.series), np.int64)
    for series in np.unique(parts.series_of[outcomes == Outcome.NEW]).tolist():
        measure_name, dimensions, zone = parts.series[series]
        admitted = index.admit(SeriesKey(dimensions, measure_name), zone)
        if admitted is None:
            outcomes[parts.series_of == series] = Outcome.TOO_MANY_SERIES
        else:
            ids[series] = admitted
    return ids[parts.series_of]
