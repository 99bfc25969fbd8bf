"""A device is *forgotten*: it was decommissioned, and its silence means nothing any more. In the log, as a word.

The payload of a frame of kind `FORGET` is a MessagePack array of the fields in order.
"""

from __future__ import annotations

import msgspec

from pipeline.base.errors import FrameError
from pipeline.log.frame import Frame, FrameKind, encode_frame


class Forget(msgspec.Struct, array_like=True, frozen=True):
    """All series of a table of an account that have these dimensions, among others, are forgotten at `at_ns`."""

    account: str
    database: str
    table: str
    dimensions: dict[str, str]
    at_ns: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Forget)


def encode_forget(forget: Forget) -> bytes:
    """The frame with this word."""
    return encode_frame(FrameKind.FORGET, [forget.at_ns], [forget.account], [""], [_encoder.encode(forget)])


def forget_of(frame: Frame) -> Forget:
    """The word in a frame of kind `FORGET`. Raises FrameError."""
    try:
        (payload,) = frame.payloads
        return _decoder.decode(payload)
    except (ValueError, msgspec.MsgspecError) as error:  # the first also for invalid UTF-8
        raise FrameError(f"a frame of {len(frame)} payloads that forgets no device: {error}") from error
