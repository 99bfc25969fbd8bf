"""Packets that clients send, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from pipeline.gateway.mqtt.codes import PacketType, Version

MAX_PACKET_BYTES = 268_435_460  # a fixed header of five bytes and the largest body (2.2.3)


@dataclass(frozen=True, slots=True)
class Will:
    """The message to publish for the client when its connection ends without a DISCONNECT (3.1.2.5)."""

    mqtt_topic: str
    payload: bytes
    qos: int
    is_retained: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """3.1. `keep_alive_s` 0 means none. Fields after `will` are of version 5, with the defaults for their absence."""

    version: Version
    client_id: str
    clean_start: bool
    keep_alive_s: int
    username: str | None
    password: bytes | None = field(repr=False)
    will: Will | None
    session_expiry_s: int = 0
    max_packet_bytes: int = MAX_PACKET_BYTES
    authentication_method: str | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """3.3. `mqtt_topic` is empty if there is only an alias; `packet_id` is 0 for QoS 0."""

    mqtt_topic: str
    payload: bytes
    qos: int
    packet_id: int
    topic_alias: int | None = None
    is_retained: bool = False


@dataclass(frozen=True, slots=True)
class Pubrel:
    """3.6. The client knows that we have its message of QoS 2."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Stray:
    """PUBACK, PUBREC or PUBCOMP (`kind`): a response to a message that we never sent."""

    kind: PacketType
    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """3.8."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """3.10."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pingreq:
    """3.12."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """3.14. Version 3.1.1 has only reason code 0."""

    reason_code: int


Packet: TypeAlias = Connect | Publish | Pubrel | Stray | Subscribe | Unsubscribe | Pingreq | Disconnect
