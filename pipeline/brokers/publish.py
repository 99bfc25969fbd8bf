"""A PUBLISH that the bulk path left alone, read leniently: a broker has let it through, so it is kept.

Left alone are: a topic name not seen before, properties (MQTT 5), a body of 16 KiB and more, QoS 2. What no table could
hold is cut or escaped rather than refused, so that it becomes a dead letter that can be looked at, and nothing is sent
again and again.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.errors import MalformedPacket
from pipeline.mqtt.decode import Header
from pipeline.mqtt.topics import TopicNames

MAX_PAYLOAD_BYTES = 256 * 1024  # what the listener takes in one packet; the log is made for such


class Published(NamedTuple):
    """One message. `packet_id` is empty with QoS 0; `size_bytes` is what the payload had before it was cut."""

    mqtt_topic: str
    payload: bytes
    qos: int
    packet_id: bytes
    size_bytes: int

    @property
    def is_cut(self) -> bool:
        """Whether the payload was larger than is kept."""
        return self.size_bytes > len(self.payload)


def read_publish(data: bytes, header: Header, names: TopicNames, *, is_v5: bool) -> Published:
    """The message of the PUBLISH at `header`, which is whole.

    Raises MalformedPacket if its lengths contradict each other or it has no MQTT topic: nobody knows what it says then.
    """
    at, stop = header.body, header.stop
    start = at + 2 + int.from_bytes(data[at : at + 2], "big")
    raw_name = data[at + 2 : start]
    packet_id = b""
    qos = header.first >> 1 & 0b11
    if qos:
        packet_id = data[start : start + 2]
        start += 2
    if is_v5:
        start = _behind_properties(data, start, stop)
    if start > stop:
        raise MalformedPacket("truncated", f"a PUBLISH of {stop - at} bytes whose parts take more")
    if not raw_name:
        raise MalformedPacket("bad_topic", "a PUBLISH without an MQTT topic; an alias for one was not allowed")
    payload = data[start:stop]
    return Published(_name(raw_name, names), payload[:MAX_PAYLOAD_BYTES], qos, packet_id, len(payload))


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


def _name(raw: bytes, names: TopicNames) -> str:
    """The MQTT topic; one that is none, as text that shows its bytes."""
    try:
        return names.name(raw)
    except MalformedPacket:
        return raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
