"""Packets as clients send them, for tests and benchmarks.

They are written from the standard, without `pipeline.gateway.mqtt.encode`, and not checked: tests also need invalid
packets.
"""

from __future__ import annotations

from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.fields import encode_binary, encode_text, encode_varint


def packet(first: int, body: bytes) -> bytes:
    """Any packet."""
    return bytes((first,)) + encode_varint(len(body)) + body


def connect(
    client_id: str,
    version: Version = Version.V3_1_1,
    *,
    keep_alive_s: int = 60,
    flags: int = 0x02,
    properties: bytes = b"",
    payload: bytes = b"",
) -> bytes:
    """A CONNECT; `payload` follows the client id: will, user name, password."""
    body = encode_text("MQTT") + bytes((version, flags)) + keep_alive_s.to_bytes(2, "big")
    return packet(0x10, body + properties_of(version, properties) + encode_text(client_id) + payload)


def publish(
    mqtt_topic: str,
    payload: bytes,
    *,
    packet_id: int = 0,
    qos: int | None = None,
    version: Version = Version.V3_1_1,
    properties: bytes = b"",
    flags: int = 0,
) -> bytes:
    """A PUBLISH, with QoS 1 if it has a packet identifier, unless flags say otherwise."""
    qos = int(packet_id > 0) if qos is None else qos
    body = encode_text(mqtt_topic)
    if qos:
        body += packet_id.to_bytes(2, "big")
    return packet(0x30 | qos << 1 | flags, body + properties_of(version, properties) + payload)


def properties_of(version: Version, properties: bytes) -> bytes:
    """Encoded properties with their length; empty in version 3.1.1, which has none."""
    return encode_varint(len(properties)) + properties if version is Version.V5 else b""


def user_and_password(username: str, password: bytes) -> bytes:
    """The end of a CONNECT with flags 0xC0."""
    return encode_text(username) + encode_binary(password)
