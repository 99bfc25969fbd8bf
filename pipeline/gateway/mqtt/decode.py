"""Bytes of one packet → the packet.

The rule: what the standard calls malformed raises MalformedPacket; nothing else is ever raised.

`header` finds the end of a packet from its first bytes, so that a packet that is too large is refused before it is
buffered. `decode` needs the complete packet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.codes import FIXED_FLAGS, PacketType, Version
from pipeline.gateway.mqtt.connect import decode_connect
from pipeline.gateway.mqtt.fields import Fields
from pipeline.gateway.mqtt.packets import Disconnect, Packet, Pingreq, Publish, Pubrel, Stray, Subscribe, Unsubscribe
from pipeline.gateway.mqtt.properties import Place, Property, read_properties
from pipeline.gateway.mqtt.topics import TopicNames


class Header(NamedTuple):
    """2.2 (5: 2.1): the fixed header of the current packet: its first byte, and the begin and end of its body."""

    first: int
    body: int
    stop: int


def header(data: bytes | bytearray, at: int, max_bytes: int) -> Header | None:
    """The header at `at`; None if more bytes are needed.

    Raises MalformedPacket, also for a packet of more than `max_bytes`, unless it is a PUBLISH: the caller truncates
    that.
    """
    size = 0
    for i in range(4):
        body = at + 2 + i
        if body > len(data):
            return None
        byte = data[body - 1]
        size |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if body + size - at > max_bytes and data[at] >> 4 != PacketType.PUBLISH:
                detail = f"a packet of {body + size - at} bytes; {max_bytes} are allowed"
                raise MalformedPacket("packet_too_large", detail)
            return Header(data[at], body, body + size)
    raise MalformedPacket("bad_length", "a remaining length of more than four bytes")


def decode(data: bytes, header: Header, version: Version, names: TopicNames) -> Packet:
    """The packet whose bytes are completely in `data`. `version` is that of the CONNECT; CONNECT itself ignores it."""
    first, body, stop = header
    fields = Fields(data, body, stop)
    kind = first >> 4
    if kind == PacketType.PUBLISH:
        return _publish(first, fields, version, names)
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise MalformedPacket(
            "unexpected_packet", f"a packet of type {_type_name(kind)}, which no client may send here"
        )
    if first & 0x0F != FIXED_FLAGS[PacketType(kind)]:
        raise MalformedPacket("bad_flags", f"flags 0x{first & 0x0F:x} in {PacketType(kind).name}")
    packet = decoder(fields, version)
    fields.end()
    return packet


def _type_name(kind: int) -> str:
    return PacketType(kind).name if kind else "0"


def _publish(first: int, fields: Fields, version: Version, names: TopicNames) -> Publish:
    qos = first >> 1 & 0b11
    if qos == 3:
        raise MalformedPacket("bad_flags", "PUBLISH with QoS 3; 0, 1 and 2 exist")
    raw_name = fields.binary()
    packet_id = fields.packet_id() if qos else 0
    alias = None
    if version is Version.V5:
        properties = read_properties(fields, Place.PUBLISH)
        found = properties.get(Property.TOPIC_ALIAS)
        alias = found if isinstance(found, int) else None
        _check_response_topic(properties.get(Property.RESPONSE_TOPIC))
    # 5: 3.3.2.1: the name may be empty if there is an alias.
    name = "" if alias is not None and not raw_name else names.name(raw_name)
    return Publish(name, fields.rest(), qos, packet_id, alias, bool(first & 1))


def _check_response_topic(name: object) -> None:
    if isinstance(name, str) and ("+" in name or "#" in name):  # 5: 3.3.2.3.5
        raise MalformedPacket("protocol_error", f"the response topic {name[:80]!r} holds a wildcard")


def _pubrel(fields: Fields, version: Version) -> Pubrel:
    packet_id = fields.packet_id()
    if version is Version.V5 and len(fields):
        fields.byte()
        if len(fields):
            read_properties(fields, Place.PUBREL)
    return Pubrel(packet_id)


def _stray(kind: PacketType) -> Callable[[Fields, Version], Stray]:
    def read(fields: Fields, _version: Version) -> Stray:
        packet_id = fields.packet_id()
        fields.rest()  # a reason code and properties, which are not needed
        return Stray(kind, packet_id)

    return read


def _subscribe(fields: Fields, version: Version) -> Subscribe:
    packet_id = fields.packet_id()
    if version is Version.V5:
        read_properties(fields, Place.SUBSCRIBE)
    allowed = 0b0011_1111 if version is Version.V5 else 0b11  # 3.8.3 (5: 3.8.3.1): the other bits are reserved
    filters = []
    while len(fields):
        filters.append(_filter(fields))
        options = fields.byte()
        if options & ~allowed or options & 0b11 == 0b11 or options & 0b11_0000 == 0b11_0000:
            raise MalformedPacket("bad_flags", f"subscription options 0x{options:02x}")
    return Subscribe(packet_id, _some(filters))


def _unsubscribe(fields: Fields, version: Version) -> Unsubscribe:
    packet_id = fields.packet_id()
    if version is Version.V5:
        read_properties(fields, Place.UNSUBSCRIBE)
    filters = []
    while len(fields):
        filters.append(_filter(fields))
    return Unsubscribe(packet_id, _some(filters))


def _filter(fields: Fields) -> str:
    name = fields.text()
    if not name:
        raise MalformedPacket("bad_topic_filter", "an empty topic filter")
    return name


def _some(filters: list[str]) -> tuple[str, ...]:
    if not filters:
        raise MalformedPacket("protocol_error", "a packet without topic filters; it must hold one at least")
    return tuple(filters)


def _pingreq(_fields: Fields, _version: Version) -> Pingreq:
    return Pingreq()


def _disconnect(fields: Fields, version: Version) -> Disconnect:
    if version is not Version.V5 or not len(fields):
        return Disconnect(0)
    reason_code = fields.byte()
    if len(fields):
        read_properties(fields, Place.DISCONNECT)
    return Disconnect(reason_code)


_DECODERS: Mapping[int, Callable[[Fields, Version], Packet]] = MappingProxyType(
    {
        PacketType.CONNECT: lambda fields, _version: decode_connect(fields),
        PacketType.PUBACK: _stray(PacketType.PUBACK),
        PacketType.PUBREC: _stray(PacketType.PUBREC),
        PacketType.PUBCOMP: _stray(PacketType.PUBCOMP),
        PacketType.PUBREL: _pubrel,
        PacketType.SUBSCRIBE: _subscribe,
        PacketType.UNSUBSCRIBE: _unsubscribe,
        PacketType.PINGREQ: _pingreq,
        PacketType.DISCONNECT: _disconnect,
    }
)
