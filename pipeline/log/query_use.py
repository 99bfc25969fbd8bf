"""What queries have used, told in the log by the worker that answered them, so that it is counted exactly once.

The payload of a frame of kind `USAGE` is a MessagePack array of the fields in order. A worker numbers its words: one
that is in the log twice, because Kafka did not answer, has the same number.
"""

from __future__ import annotations

import msgspec

from pipeline.base.errors import FrameError
from pipeline.log.frame import Frame, FrameKind, encode_frame


class Scan(msgspec.Struct, array_like=True, frozen=True):
    """What the queries of one day (days since 1970, UTC) read of a table of an account.

    metered_bytes  at least what the service charges for each query
    """

    day: int
    account: str
    database: str
    table: str
    queries: int
    scanned_bytes: int
    metered_bytes: int


class QueryUse(msgspec.Struct, array_like=True, frozen=True):
    """The word `number` of `worker`, an id of its process; ascending."""

    worker: str
    number: int
    at_ns: int
    scans: list[Scan]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(QueryUse)


def encode_query_use(use: QueryUse) -> bytes:
    """The frame with this word."""
    return encode_frame(FrameKind.USAGE, [use.at_ns], [""], [""], [_encoder.encode(use)])


def query_use_of(frame: Frame) -> QueryUse:
    """The word in a frame of kind `USAGE`. Raises FrameError."""
    try:
        (payload,) = frame.payloads
        return _decoder.decode(payload)
    except (ValueError, msgspec.MsgspecError) as error:  # the first also for invalid UTF-8
        raise FrameError(f"a frame of {len(frame)} payloads that tells no use by queries: {error}") from error
