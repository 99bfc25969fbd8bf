"""A *dead letter*: a message that could not become a record, with why. Values of the topic [dead_letters].

One value is a MessagePack array `[format version, [dead letter …]]`, a dead letter an array of its fields in order.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipeline.errors import FrameError
from pipeline.normalise.reasons import Reason

__all__ = ["DeadLetter", "Reason", "decode_dead_letters", "encode_dead_letters"]

FORMAT_VERSION = 1


class DeadLetter(msgspec.Struct, array_like=True, frozen=True):
    """One message that was acknowledged and could not become a record.

    id          `<log id>:<partition>:<offset>:<index in the frame>`: a replay of the log repeats ids
    payload     as the device sent it
    detail      what was wrong, the value, and what is allowed
    arrival_ns  when the gateway took it in
    """

    id: str
    account: str
    mqtt_topic: str
    payload: bytes
    reason: Reason
    detail: str
    arrival_ns: int


class _Value(msgspec.Struct, array_like=True, frozen=True):
    format_version: int
    letters: list[DeadLetter]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Value)


def encode_dead_letters(letters: Sequence[DeadLetter]) -> bytes:
    """The bytes for the log of these dead letters."""
    return _encoder.encode(_Value(FORMAT_VERSION, list(letters)))


def decode_dead_letters(data: bytes) -> list[DeadLetter]:
    """The dead letters in `data`. Raises FrameError if `encode_dead_letters` of a known version did not write it."""
    try:
        value = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise FrameError(f"{len(data)} bytes that are not dead letters: {error}") from error
    if value.format_version != FORMAT_VERSION:
        raise FrameError(f"dead letters of format version {value.format_version}; this program reads {FORMAT_VERSION}")
    return value.letters
