"""A *generation* of rules: the texts of all rule files from one moment on, in the log at that moment.

The payload of a frame of kind `RULES` is a MessagePack array: the list of [name, text] of each file, in order. The
owner of a partition appends one when its rules differ from those in force. What is before it in the partition is judged
by the rules before, what is behind it by these; so a replay decides as the first run did.
"""

from __future__ import annotations

import hashlib

import msgspec

from pipeline.base.errors import FrameError
from pipeline.log.frame import Frame, FrameKind, encode_frame


class Generation(msgspec.Struct, array_like=True, frozen=True):
    """Rule files: names and texts."""

    files: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """A hash of the content: 16 hexadecimal digits."""
        return hashlib.sha256(_encoder.encode(self)).hexdigest()[:16]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Generation)


def encode_generation(generation: Generation, now_ns: int) -> bytes:
    """The frame with this generation, appended at `now_ns`."""
    return encode_frame(FrameKind.RULES, [now_ns], [""], [""], [_encoder.encode(generation)])


def generation_of(frame: Frame) -> Generation:
    """The generation in a frame of kind `RULES`. Raises FrameError."""
    try:
        (payload,) = frame.payloads
        return _decoder.decode(payload)
    except (ValueError, msgspec.MsgspecError) as error:  # the first also for invalid UTF-8
        raise FrameError(f"a frame of {len(frame)} payloads that is no generation of rules: {error}") from error
