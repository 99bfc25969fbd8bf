"""Rows of an import in the log: as in `payload`, but the columns are Arrow, because there are many rows.

It is one MessagePack array:

    [format version, database, table, series …, Arrow IPC stream of one batch]

A series is [measure name, [[dimension, value] …] sorted by name, zone or nil]. The first three columns of the batch are
the series of each row (its place in the list), its time in nanoseconds and its version; the others are measures.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa

from store.endpoint.payload import DecodedWrite, Parts, Series, decoded
from store.record import MeasureType

FORMAT_VERSION = 1

_FIXED = ("series", "time_ns", "version")
_TYPES = {kind.arrow: kind for kind in MeasureType}
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


class _Payload(msgspec.Struct, array_like=True, frozen=True):
    format_version: int
    database: str
    table: str
    series: list[Series]
    columns: bytes

    def parts(self) -> Parts:
        with pa.ipc.open_stream(self.columns) as stream:
            batch = stream.read_next_batch()
        batch.validate(full=True)
        if batch.schema.types[: len(_FIXED)] != [pa.int64()] * len(_FIXED):
            raise ValueError(f"columns of the types {batch.schema.types}")
        series, time_ns, version = (batch.column(place).to_numpy() for place in range(len(_FIXED)))
        measures = dict(zip(batch.schema.names[len(_FIXED) :], batch.columns[len(_FIXED) :], strict=True))
        types = {name: _TYPES[values.type] for name, values in measures.items()}
        return Parts(self.series, series, time_ns, version, measures, types, is_import=True)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Payload)


def encode_import(database: str, table: str, parts: Parts) -> bytes:
    """Encode these rows (n ≥ 1) for the log, with the series that they have."""
    used, series_of = np.unique(parts.series_of, return_inverse=True)
    batch = pa.RecordBatch.from_arrays(
        [*map(pa.array, (series_of.astype(np.int64), parts.time_ns, parts.version)), *parts.measures.values()],
        [*_FIXED, *parts.measures],
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_COMPRESSED) as stream:
        stream.write_batch(batch)
    series = [parts.series[place] for place in used.tolist()]
    return _encoder.encode(_Payload(FORMAT_VERSION, database, table, series, sink.getvalue().to_pybytes()))


def read_import(payload: bytes, account: str) -> DecodedWrite:
    """The rows in `payload`. Raises DamagedPayload for bytes that are not from `encode_import` of a known version."""
    return decoded(_decoder, FORMAT_VERSION, payload, account, "rows of an import")
