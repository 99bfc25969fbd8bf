"""Splits a PUBLISH into its parts leniently, even if their content is invalid, so that it can be kept and acknowledged.

`decode` finds what is wrong with a message, and `parts_of` its parts. A broker has accepted its messages, so they are
kept; a device would send a message without an acknowledgement again and again.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.decode import Header
from pipeline.gateway.mqtt.fields import Fields
from pipeline.gateway.mqtt.properties import subscription_identifiers


class Parts(NamedTuple):
    """One message. `packet_id` is empty with QoS 0; `payload` is the available part of `payload_bytes`."""

    raw_topic: bytes
    payload: bytes
    payload_bytes: int
    qos: int
    packet_id: bytes
    is_retained: bool
    properties: bytes = b""  # with their length in front; empty in 3.1.1

    @property
    def identifiers(self) -> tuple[int, ...]:
        """The identifiers of the subscriptions that it is for, if a broker sends them. Raises MalformedPacket."""
        return subscription_identifiers(Fields(self.properties, 0, len(self.properties))) if self.properties else ()

    @property
    def shown_topic(self) -> str:
        """The MQTT topic as text, with escapes for bytes that are not text."""
        return self.raw_topic.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def parts_of(data: bytes, header: Header, *, is_v5: bool) -> Parts:
    """The message of the PUBLISH at `header`; `data` may contain only the beginning of its payload.

    Raises MalformedPacket if the parts, or the packet identifier, cannot be found.
    """
    at, stop = header.body, header.stop
    start = at + 2 + int.from_bytes(data[at : at + 2], "big")
    raw_topic = data[at + 2 : start]
    packet_id = b""
    qos = header.first >> 1 & 0b11
    if qos == 3:
        raise MalformedPacket("bad_flags", "PUBLISH with QoS 3; 0, 1 and 2 exist")
    if qos:
        packet_id = data[start : start + 2]
        start += 2
        if packet_id == b"\0\0":
            raise MalformedPacket("bad_packet_id", "packet identifier 0; 1 to 65,535 are allowed")
    properties_at = start
    if is_v5:
        start = _behind_properties(data, start, min(stop, len(data)))
    if start > stop:
        raise MalformedPacket("truncated", f"a PUBLISH of {stop - at} bytes whose parts take more")
    is_retained = bool(header.first & 1)
    properties = data[properties_at:start]
    return Parts(raw_topic, data[start:stop], stop - start, qos, packet_id, is_retained, properties)


def _behind_properties(data: bytes, at: int, stop: int) -> int:
    size = 0
    for i in range(4):
        if at + i >= stop:
            break
        byte = data[at + i]
        size |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return at + i + 1 + size
    raise MalformedPacket("truncated", "a PUBLISH whose properties do not end")
