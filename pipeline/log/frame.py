"""One log message of [readings]: the *frame*, which holds the messages of one ack batch.

A frame is one MessagePack array, so the log can be read in any language:

    [format version, kind, arrival_ns …, accounts …, MQTT topics …, payloads …]

with the last four arrays of one length. Nothing is decoded before the log: payloads are as the device sent them.
(Measured for frames of 400 messages: 8 µs to encode and 33 µs to decode, against 348 and 469 µs for an Arrow stream.)
"""

from __future__ import annotations

import enum

import msgspec

from pipeline.base.errors import FrameError

FORMAT_VERSION = 1


class FrameKind(enum.StrEnum):
    """What the payloads of a frame are."""

    MQTT = "mqtt"  # as published by devices; decoded by normalise
    MQTT_AGAIN = "mqtt_again"  # the same, of dead letters that are put through again with their first stamps
    REJECTED = "rejected"  # as the gateway knows already that they are no readings: a `dead_letter.Rejection` each
    WRITE_RECORDS = "write_records"  # one validated WriteRecords request each, as `store.endpoint` encodes it


class Frame(msgspec.Struct, array_like=True, frozen=True):
    """The messages of one ack batch, in order of arrival.

    arrival_ns   when the gateway took each message in; strictly increasing within a gateway process
    accounts     who published it: from the credentials, never from the payload
    mqtt_topics  the MQTT topic; empty strings for `WRITE_RECORDS`
    """

    format_version: int
    kind: FrameKind
    arrival_ns: list[int]
    accounts: list[str]
    mqtt_topics: list[str]
    payloads: list[bytes]

    def __len__(self) -> int:
        return len(self.payloads)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def encode_frame(
    kind: FrameKind, arrival_ns: list[int], accounts: list[str], mqtt_topics: list[str], payloads: list[bytes]
) -> bytes:
    """The bytes for the log of these messages; all lists have one length."""
    return _encoder.encode(Frame(FORMAT_VERSION, kind, arrival_ns, accounts, mqtt_topics, payloads))


def decode_frame(data: bytes) -> Frame:
    """The frame in `data`. Raises FrameError if these are not the bytes of a frame of a version known here."""
    try:
        frame = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second of text that is none
        raise FrameError(f"a log message of {len(data)} bytes is not a frame: {error}") from error
    if frame.format_version != FORMAT_VERSION:
        raise FrameError(f"a frame of format version {frame.format_version}; this program reads {FORMAT_VERSION}")
    return frame
