"""A PUBLISH that is too large to keep, while its bytes go by: its head is kept, the rest is counted.

So one message, however large MQTT lets it be (256 MiB), costs a connection `HEAD_BYTES`, and keeps no other one waiting
for an acknowledgement that would never come.
"""

from __future__ import annotations

from pipeline.gateway.mqtt.decode import Header

KEPT_BYTES = 4_096  # of the payload, in the dead letter
HEAD_BYTES = 72 * 1024  # holds the longest MQTT topic (64 KiB), ordinary properties, and `KEPT_BYTES` of the payload


def head_stop(found: Header, at: int) -> int:
    """Where the head of the packet at `at` ends."""
    return min(found.stop, at + HEAD_BYTES)


class Passing:
    """The PUBLISH at `at`, whose head is in `data`."""

    __slots__ = ("head", "header", "left")

    def __init__(self, data: bytes, found: Header, at: int) -> None:
        stop = head_stop(found, at)
        self.head = data[at:stop]
        self.header = Header(found.first, found.body - at, found.stop - at)
        self.left = found.stop - stop

    @property
    def head_header(self) -> Header:
        """The header of a packet that ends with the head."""
        return self.header._replace(stop=len(self.head))

    @property
    def is_through(self) -> bool:
        """Whether all of it has gone by."""
        return self.left == 0

    def take(self, data: bytes, at: int) -> int:
        """Let `data[at:]` go by, as far as it belongs to the packet; the position behind."""
        count = min(self.left, len(data) - at)
        self.left -= count
        return at + count
