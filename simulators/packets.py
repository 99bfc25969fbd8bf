"""MQTT packets as bytes, the publish side of 3.1.1 and 5 (OASIS standards of 2014 and 2019). No I/O.

Section numbers are those of MQTT 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK, PINGRESP, DISCONNECT = 0x10, 0x20, 0x30, 0x40, 0xD0, 0xE0
DUP = 0x08
PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"
LEVELS = {"3.1.1": 4, "5": 5}
MAX_PACKET_ID = 65_535
DEFAULT_RECEIVE_MAXIMUM = 65_535

# The meaning of a refusal (3.1.1: table 3.1; 5: section 3.2.2.2), and whether a retry can succeed.
REFUSALS: dict[int, tuple[str, bool]] = {
    1: ("the server does not speak this version of MQTT", False),
    2: ("the client identifier is not allowed", False),
    3: ("the server is not available", True),
    4: ("bad user name or password", False),
    5: ("not authorised", False),
    0x84: ("the server does not speak this version of MQTT", False),
    0x85: ("the client identifier is not allowed", False),
    0x86: ("bad user name or password", False),
    0x87: ("not authorised", False),
    0x88: ("the server is not available", True),
    0x89: ("the server is busy", True),
    0x8A: ("the client is banned", False),
    0x97: ("the quota is exceeded", True),
    0x9F: ("connections come too fast", True),
}

# Sizes of the properties of a CONNACK (section 2.2.2.2); strings are -1, pairs of strings -2.
_PROPERTY_SIZES = {
    0x11: 4, 0x12: -1, 0x13: 2, 0x15: -1, 0x16: -1, 0x1A: -1, 0x1C: -1, 0x1F: -1, 0x21: 2, 0x22: 2,
    0x24: 1, 0x25: 1, 0x26: -2, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
RECEIVE_MAXIMUM, MAXIMUM_QOS = 0x21, 0x24


@dataclass(frozen=True, slots=True)
class Connack:
    """The server's response to CONNECT; code 0 means accepted."""

    code: int
    receive_maximum: int = DEFAULT_RECEIVE_MAXIMUM
    maximum_qos: int = 2


def length_bytes(length: int) -> bytes:
    """A variable byte integer (section 1.5.5)."""
    encoded = bytearray()
    while True:
        length, low = divmod(length, 128)
        encoded.append(low | (0x80 if length else 0))
        if not length:
            return bytes(encoded)


# A lookup is four times as fast as the computation, and almost every packet is shorter than this.
LENGTHS = tuple(length_bytes(length) for length in range(2048))


def string(text: str | bytes) -> bytes:
    """A UTF-8 string or binary data with its length (section 1.5.4)."""
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">H", len(data)) + data


def connect(client_id: str, *, level: int, keep_alive_s: int, username: str | None, password: str | None) -> bytes:
    """A CONNECT with a clean session (section 3.1): unacknowledged messages are kept on this side."""
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    head = string("MQTT") + bytes((level, flags)) + struct.pack(">H", keep_alive_s)
    body = head + (b"\x00" if level == 5 else b"") + string(client_id)
    body += b"".join(string(text) for text in (username, password) if text is not None)
    return b"\x10" + length_bytes(len(body)) + body


def publish(topic: bytes, packet_id: bytes, payload: bytes, *, qos: int, properties: bytes) -> bytes:
    """A PUBLISH (section 3.3). `topic` includes its length; `packet_id` and `properties` may be empty."""
    length = len(topic) + len(packet_id) + len(properties) + len(payload)
    remaining = LENGTHS[length] if length < len(LENGTHS) else length_bytes(length)
    return b"".join((b"\x32" if qos else b"\x30", remaining, topic, packet_id, properties, payload))


def duplicate(packet: bytes) -> bytes:
    """The same PUBLISH, marked as sent again (section 3.3.1.1)."""
    return bytes((packet[0] | DUP,)) + packet[1:]


def next_packet(data: bytes | bytearray, start: int) -> tuple[int, int, int] | None:
    """First byte, start of the body and end of the packet at `start`; None while it is incomplete.

    Raises ValueError if the length is invalid.
    """
    length, shift = 0, 0
    for at in range(start + 1, min(start + 5, len(data))):
        length |= (data[at] & 0x7F) << shift
        shift += 7
        if not data[at] & 0x80:
            end = at + 1 + length
            return (data[start], at + 1, end) if end <= len(data) else None
    if len(data) >= start + 5:
        raise ValueError("the server sent a packet whose length is not one")
    return None


def bulk_puback_ids(data: bytes) -> tuple[int, ...] | None:
    """The packet ids, if `data` contains only four-byte PUBACKs, as it usually does; else None."""
    count, rest = divmod(len(data), 4)
    if rest or data[::4].count(PUBACK) != count or data[1::4].count(2) != count:
        return None
    return struct.unpack(f">{2 * count}H", data)[1::2]


def decode_connack(body: bytes, level: int) -> Connack:
    """The response in a CONNACK's body (section 3.2). Raises ValueError if it is malformed."""
    if len(body) < 2:
        raise ValueError("the server sent a CONNACK that is too short")
    if level < 5 or len(body) == 2:
        return Connack(body[1])
    properties = _properties(body[2:])
    return Connack(
        body[1], properties.get(RECEIVE_MAXIMUM, DEFAULT_RECEIVE_MAXIMUM) or 1, properties.get(MAXIMUM_QOS, 2)
    )


def _properties(data: bytes) -> dict[int, int]:
    """The numeric properties; the length before them may have one byte or more."""
    start = next(at for at in range(len(data)) if not data[at] & 0x80) + 1
    numbers: dict[int, int] = {}
    while start < len(data):
        name, size = data[start], _PROPERTY_SIZES.get(data[start])
        start += 1
        if size is None:
            raise ValueError(f"the server's CONNACK has the unknown property 0x{name:02x}")
        for _ in range(max(-size, 0)):
            start += 2 + int.from_bytes(data[start : start + 2], "big")
        if size > 0:
            numbers[name] = int.from_bytes(data[start : start + size], "big")
            start += size
    return numbers
