"""A *tick*: one listener says, in the log, during which time it listened. So time reaches decisions through the log.

The payload of a frame of kind `TICK` is a MessagePack array of the fields in order. A listener appends one to every
partition about each second, in order with the messages it received: when a tick is in a partition, so is everything
that this listener received before `to_ns`. What lies between two of its ticks and in neither is time in which it did
not listen.
"""

from __future__ import annotations

import msgspec

from pipeline.base.errors import FrameError
from pipeline.log.frame import Frame, FrameKind, TimeNs, encode_frame


class Tick(msgspec.Struct, array_like=True, frozen=True):
    """`listener` listened from `from_ns` to `to_ns`, which are its arrival stamps; `is_last`: it ends now.

    listener  the same after a restart, and that of no other listener
    """

    listener: str
    from_ns: TimeNs
    to_ns: TimeNs
    is_last: bool = False


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Tick)


def encode_tick(tick: Tick) -> bytes:
    """The frame with this tick."""
    return encode_frame(FrameKind.TICK, [tick.to_ns], [""], [""], [_encoder.encode(tick)])


def tick_of(frame: Frame) -> Tick:
    """The tick in a frame of kind `TICK`. Raises FrameError."""
    try:
        (payload,) = frame.payloads
        return _decoder.decode(payload)
    except (ValueError, msgspec.MsgspecError) as error:  # the first also for invalid UTF-8
        raise FrameError(f"a frame of {len(frame)} payloads that is no tick: {error}") from error
