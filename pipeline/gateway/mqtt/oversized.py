"""Skips a PUBLISH that is too large to keep: its beginning is kept, the rest is only counted.

So one message, however large MQTT allows it to be (256 MiB), costs a connection `HEAD_BYTES`, and does not block other
messages that wait for an acknowledgement.
"""

from __future__ import annotations

from pipeline.gateway.mqtt.decode import Header

KEPT_BYTES = 4_096  # of the payload, in the dead letter
HEAD_BYTES = 72 * 1024  # room for the longest MQTT topic (64 KiB), ordinary properties, and `KEPT_BYTES` of the payload


def head_stop(found: Header, at: int) -> int:
    """The end of the kept beginning of the packet at `at`."""
    return min(found.stop, at + HEAD_BYTES)


class OversizedPublish:
    """The PUBLISH at `at`, whose beginning is in `data`."""

    __slots__ = ("head", "header", "left")

    def __init__(self, data: bytes, found: Header, at: int) -> None:
        stop = head_stop(found, at)
        self.head = data[at:stop]
        self.header = Header(found.first, found.body - at, found.stop - at)
        self.left = found.stop - stop

    @property
    def head_header(self) -> Header:
        """The header of a packet that consists of the kept beginning."""
        return self.header._replace(stop=len(self.head))

    @property
    def is_through(self) -> bool:
        """Whether the whole packet has been skipped."""
        return self.left == 0

    def take(self, data: bytes, at: int) -> int:
        """Skip the part of `data[at:]` that belongs to the packet; returns the position after it."""
        count = min(self.left, len(data) - at)
        self.left -= count
        return at + count
