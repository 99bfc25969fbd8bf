"""An operator said of an alert whether it was right. In the log, as a word: the bound of its rule and zone follows.

The payload of a frame of kind `FEEDBACK` is a MessagePack array of the fields in order.
"""

from __future__ import annotations

import enum

import msgspec

from pipeline.base.errors import FrameError
from pipeline.log.frame import Frame, FrameKind, encode_frame


class Verdict(enum.StrEnum):
    """What an operator says of an alert."""

    FALSE = "false"
    RIGHT = "right"


class Feedback(msgspec.Struct, array_like=True, frozen=True):
    """Of an alert of this rule (`group/alert`) and zone, over a table of an account, at `at_ns`."""

    account: str
    database: str
    table: str
    rule: str
    zone: str
    alert_id: str
    verdict: Verdict
    at_ns: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Feedback)


def encode_feedback(feedback: Feedback) -> bytes:
    """The frame with this word."""
    return encode_frame(FrameKind.FEEDBACK, [feedback.at_ns], [feedback.account], [""], [_encoder.encode(feedback)])


def feedback_of(frame: Frame) -> Feedback:
    """The word in a frame of kind `FEEDBACK`. Raises FrameError."""
    try:
        (payload,) = frame.payloads
        return _decoder.decode(payload)
    except (ValueError, msgspec.MsgspecError) as error:  # the first also for invalid UTF-8
        raise FrameError(f"a frame of {len(frame)} payloads with no feedback on an alert: {error}") from error
