"""Packets that a server sends, as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.gateway.mqtt.codes import (
    CONNECT_RETURN_CODE,
    FIXED_FLAGS,
    SUBACK_FAILURE,
    PacketType,
    ReasonCode,
    Version,
)
from pipeline.gateway.mqtt.fields import encode_varint
from pipeline.gateway.mqtt.properties import Property, encode_properties

PINGRESP = bytes((PacketType.PINGRESP << 4, 0))
_PUBREC = bytes((PacketType.PUBREC << 4, 2))
_PUBACK = bytes((PacketType.PUBACK << 4, 2))  # 3.4; 5: 3.4.2.1: without a reason code it means success


def connack(version: Version, code: ReasonCode, properties: Mapping[Property, int | str] | None = None) -> bytes:
    """3.2, session present 0.

    Empty if version 3.1.1 has no return code for `code`: then the connection is only closed.
    """
    if version is Version.V5:
        return _packet(PacketType.CONNACK, bytes((0, code)) + encode_properties(properties or {}))
    return_code = CONNECT_RETURN_CODE.get(code)
    return b"" if return_code is None else _packet(PacketType.CONNACK, bytes((0, return_code)))


def pubacks(packet_ids: Sequence[bytes]) -> bytes:
    """3.4: one PUBACK for each of `packet_ids` (two bytes each), in their order; the same in both versions."""
    return _PUBACK + _PUBACK.join(packet_ids)


def pubrecs(packet_ids: Sequence[bytes]) -> bytes:
    """3.5: as `pubacks`, for QoS 2."""
    return _PUBREC + _PUBREC.join(packet_ids)


def pubcomp(version: Version, packet_id: int, *, is_known: bool) -> bytes:
    """3.7, for a PUBREL; `is_known`: whether this session has its message."""
    body = packet_id.to_bytes(2, "big")
    if version is Version.V5 and not is_known:
        body += bytes((ReasonCode.PACKET_IDENTIFIER_NOT_FOUND,))
    return _packet(PacketType.PUBCOMP, body)


def pubrel_unknown(version: Version, packet_id: int) -> bytes:
    """3.6, for the PUBREC of a message that we never sent: so the client discards it."""
    body = packet_id.to_bytes(2, "big")
    if version is Version.V5:
        body += bytes((ReasonCode.PACKET_IDENTIFIER_NOT_FOUND,))
    return bytes((PacketType.PUBREL << 4 | FIXED_FLAGS[PacketType.PUBREL],)) + encode_varint(len(body)) + body


def suback_refused(version: Version, packet_id: int, count: int) -> bytes:
    """3.9: each of `count` subscriptions is refused."""
    body = packet_id.to_bytes(2, "big")
    if version is Version.V5:
        return _packet(PacketType.SUBACK, body + b"\0" + bytes((ReasonCode.NOT_AUTHORIZED,)) * count)
    return _packet(PacketType.SUBACK, body + bytes((SUBACK_FAILURE,)) * count)


def unsuback(version: Version, packet_id: int, count: int) -> bytes:
    """3.11: `count` subscriptions, which never existed, end."""
    body = packet_id.to_bytes(2, "big")
    if version is Version.V5:
        body += b"\0" + bytes((ReasonCode.NO_SUBSCRIPTION_EXISTED,)) * count
    return _packet(PacketType.UNSUBACK, body)


def disconnect(code: ReasonCode, reason: str = "") -> bytes:
    """5: 3.14. Version 3.1.1 has no DISCONNECT from the server: there the connection is only closed."""
    if not reason:
        return _packet(PacketType.DISCONNECT, bytes((code,)))
    return _packet(PacketType.DISCONNECT, bytes((code,)) + encode_properties({Property.REASON_STRING: reason}))


def _packet(kind: PacketType, body: bytes) -> bytes:
    return bytes((kind << 4,)) + encode_varint(len(body)) + body
