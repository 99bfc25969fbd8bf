"""A DELETE in the log of each partition: it deletes rows of frames before it, and none of later ones.

The payload of a frame of kind `DELETE` is a MessagePack array of the fields in order. It has the statement as its
client sent it: whoever applies it binds it to the table again.
"""

from __future__ import annotations

import msgspec

from pipeline.base.errors import FrameError
from pipeline.log.frame import Frame, FrameKind, encode_frame


class Delete(msgspec.Struct, array_like=True, frozen=True):
    """A DELETE of the rows of a table of an account.

    text      the statement
    now_ns    the time of `now()` in it
    is_purge  also from files that only earlier versions of the table have
    """

    account: str
    database: str
    table: str
    text: str
    now_ns: int
    is_purge: bool


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Delete)


def encode_delete(delete: Delete, arrival_ns: int) -> bytes:
    """The frame with this DELETE."""
    return encode_frame(FrameKind.DELETE, [arrival_ns], [delete.account], [""], [_encoder.encode(delete)])


def delete_of(frame: Frame) -> Delete:
    """The DELETE in a frame of kind `DELETE`. Raises FrameError."""
    try:
        (payload,) = frame.payloads
        return _decoder.decode(payload)
    except (ValueError, msgspec.MsgspecError) as error:  # the first also for invalid UTF-8
        raise FrameError(f"a frame of {len(frame)} payloads that is no DELETE: {error}") from error
