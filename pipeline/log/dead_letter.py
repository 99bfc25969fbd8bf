"""A *dead letter*: a message that could not become a record, with the reason.

One value of the topic [dead_letters] is a MessagePack array `[format version, [dead letter …]]`; a dead letter is an
array of its fields in order.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from pipeline.base.errors import FrameError
from pipeline.log.log import refuse_damaged
from store.names import DEFAULT_ACCOUNT

FORMAT_VERSION = 1


class Reason(enum.StrEnum):
    """Why a message could not become a record. A label of metrics and a filter of the archive."""

    NO_ROUTE = "no_route"  # no table's template matches the MQTT topic
    EMPTY_PAYLOAD = "empty_payload"  # no bytes, or white space alone
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"  # truncated, or neither JSON nor text
    TOO_DEEP = "too_deep"  # more levels than can be read
    NO_MEASURES = "no_measures"  # only time, dimensions, nulls and words for null
    BAD_DIMENSION = "bad_dimension"  # more dimensions, or longer ones in total, than a series may have
    TOO_MANY_SERIES = "too_many_series"  # a new series, and its account has as many as limits.series allows
    OVER_QUOTA = "over_quota"  # its account stores as many bytes as its quota allows
    TIME_MISSING = "time_missing"
    TIME_UNREADABLE = "time_unreadable"
    TIME_OUT_OF_RANGE = "time_out_of_range"  # before 1970 or after 2262-04-11
    TOO_FAR_AHEAD = "too_far_ahead"  # later than its arrival by more than the table's future limit
    TOO_LATE = "too_late"  # earlier than its arrival by more than the table's retention
    TOO_LARGE = "too_large"  # a message above the gateway's limit: only its beginning is kept
    BAD_PUBLISH = "bad_publish"  # a message that MQTT forbids: a wildcard in its topic, an unknown alias
    FAILED = "failed"  # reading it raised an error that is a fault of this program
    DAMAGED_FRAME = "damaged_frame"  # a log message that cannot be read
    DAMAGED = "damaged"  # of a log message that is not what was acknowledged, by its checksum
    # Only in letters of earlier versions: today such a field does not reject its message.
    NOT_FINITE = "not_finite"
    ARRAY_INSIDE = "array_inside"
    TOO_MANY_MEASURES = "too_many_measures"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    BAD_NAME = "bad_name"


EARLIER = frozenset(
    {
        Reason.NOT_FINITE,
        Reason.ARRAY_INSIDE,
        Reason.TOO_MANY_MEASURES,
        Reason.WRONG_TYPE,
        Reason.OUT_OF_RANGE,
        Reason.BAD_NAME,
    }
)


class DeadLetter(msgspec.Struct, array_like=True, frozen=True):
    """One message that was acknowledged and could not become a record.

    id          `<log id>:<partition>:<offset>:<index in the frame>`: a replay of the log repeats ids
    payload     as the device sent it
    detail      what was wrong, the value, and what is allowed
    arrival_ns  when the gateway received it
    """

    id: str
    account: str
    mqtt_topic: str
    payload: bytes
    reason: Reason
    detail: str
    arrival_ns: int


class Rejection(msgspec.Struct, array_like=True, frozen=True):
    """A message that the gateway rejected, in a frame of [readings]: the reason, and what is kept of it."""

    reason: Reason
    detail: str
    payload: bytes


class Replayed(msgspec.Struct, array_like=True, frozen=True):
    """Records that the dead letters with these ids were appended to [readings] again."""

    ids: list[str]
    at_ns: int


class DeadLetterEntry(msgspec.Struct, array_like=True, frozen=True):
    """The content of one message of [dead_letters]: letters, or the record that earlier ones were replayed."""

    format_version: int
    letters: list[DeadLetter]
    replayed: Replayed | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeadLetterEntry)
_rejection_decoder = msgspec.msgpack.Decoder(Rejection)


def encode_dead_letters(letters: Sequence[DeadLetter]) -> bytes:
    """These dead letters as a value for the log."""
    return _encoder.encode(DeadLetterEntry(FORMAT_VERSION, list(letters)))


def damaged_letter(partition_id: str, offset: int, value: bytes, detail: str) -> DeadLetter:
    """The dead letter of a message of the log, of any topic, that is not what was appended."""
    letter_id = f"{partition_id.replace('/', ':')}:{offset}:0"
    return DeadLetter(letter_id, DEFAULT_ACCOUNT, "", bytes(value), Reason.DAMAGED, detail, 0)


def encode_replayed(ids: Sequence[str], at_ns: int) -> bytes:
    """The record of a replay as a value for the log: an archive that is rebuilt from the log contains it too."""
    return _encoder.encode(DeadLetterEntry(FORMAT_VERSION, [], Replayed(list(ids), at_ns)))


def decode_dead_letters(data: bytes) -> DeadLetterEntry:
    """The content of `data`. Raises FrameError for anything but whole dead letters of a known version."""
    refuse_damaged(data)
    try:
        value = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second for invalid UTF-8
        raise FrameError(f"{len(data)} bytes that are not dead letters: {error}") from error
    if value.format_version != FORMAT_VERSION:
        raise FrameError(f"dead letters of format version {value.format_version}; this program reads {FORMAT_VERSION}")
    return value


def encode_rejection(rejection: Rejection) -> bytes:
    """The payload in its frame."""
    return _encoder.encode(rejection)


def decode_rejection(data: bytes) -> Rejection:
    """The content of `data`. Raises FrameError."""
    try:
        return _rejection_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second of text that is none
        raise FrameError(f"{len(data)} bytes that are not a rejected message: {error}") from error
