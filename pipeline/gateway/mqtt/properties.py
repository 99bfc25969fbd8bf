"""The properties of MQTT 5 (5: 2.2.2): their types, the packets in which they are allowed, and how often.

Unknown ones, those of other packets, repeated ones and values out of range are errors of the device; the others are
returned by identifier. User properties may repeat and have no meaning here: they are checked and left out.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.codes import PacketType
from pipeline.gateway.mqtt.fields import Fields, encode_text, encode_varint

Value: TypeAlias = int | str | bytes
Properties: TypeAlias = Mapping[int, Value]
NO_PROPERTIES: Properties = MappingProxyType({})


class Property(enum.IntEnum):
    """Table 2-4: property identifiers."""

    PAYLOAD_FORMAT_INDICATOR = 0x01
    MESSAGE_EXPIRY_INTERVAL = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_IDENTIFIER = 0x0B
    SESSION_EXPIRY_INTERVAL = 0x11
    ASSIGNED_CLIENT_IDENTIFIER = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTHENTICATION_METHOD = 0x15
    AUTHENTICATION_DATA = 0x16
    REQUEST_PROBLEM_INFORMATION = 0x17
    WILL_DELAY_INTERVAL = 0x18
    REQUEST_RESPONSE_INFORMATION = 0x19
    RESPONSE_INFORMATION = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28
    SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29
    SHARED_SUBSCRIPTION_AVAILABLE = 0x2A


class Place(enum.Enum):
    """Where properties are: in a packet from a client, or in the will inside CONNECT."""

    CONNECT = PacketType.CONNECT
    WILL = "will"
    PUBLISH = PacketType.PUBLISH
    PUBREL = PacketType.PUBREL
    SUBSCRIBE = PacketType.SUBSCRIBE
    UNSUBSCRIBE = PacketType.UNSUBSCRIBE
    DISCONNECT = PacketType.DISCONNECT


class _Rule(NamedTuple):
    read: Callable[[Fields], Value]
    places: frozenset[Place]
    low: int = 0
    high: int = 0xFFFF_FFFF


def _rule(read: Callable[[Fields], Value], *places: Place, low: int = 0, high: int = 0xFFFF_FFFF) -> _Rule:
    return _Rule(read, frozenset(places), low, high)


_BYTE, _TWO, _FOUR, _TEXT, _BINARY = Fields.byte, Fields.two_bytes, Fields.four_bytes, Fields.text, Fields.binary

_RULES: Mapping[int, _Rule] = MappingProxyType(
    # Table 2-4 for what clients send; ranges are those of 3.1.2.11, 3.1.3.2, 3.3.2.3, 3.8.2.1, 3.14.2.2.
    # A topic alias of 0 is refused where the maximum is known, with its own reason code.
    {
        Property.PAYLOAD_FORMAT_INDICATOR: _rule(_BYTE, Place.PUBLISH, Place.WILL, high=1),
        Property.MESSAGE_EXPIRY_INTERVAL: _rule(_FOUR, Place.PUBLISH, Place.WILL),
        Property.CONTENT_TYPE: _rule(_TEXT, Place.PUBLISH, Place.WILL),
        Property.RESPONSE_TOPIC: _rule(_TEXT, Place.PUBLISH, Place.WILL),
        Property.CORRELATION_DATA: _rule(_BINARY, Place.PUBLISH, Place.WILL),
        Property.SUBSCRIPTION_IDENTIFIER: _rule(Fields.varint, Place.SUBSCRIBE, low=1),
        Property.SESSION_EXPIRY_INTERVAL: _rule(_FOUR, Place.CONNECT, Place.DISCONNECT),
        Property.AUTHENTICATION_METHOD: _rule(_TEXT, Place.CONNECT),
        Property.AUTHENTICATION_DATA: _rule(_BINARY, Place.CONNECT),
        Property.REQUEST_PROBLEM_INFORMATION: _rule(_BYTE, Place.CONNECT, high=1),
        Property.WILL_DELAY_INTERVAL: _rule(_FOUR, Place.WILL),
        Property.REQUEST_RESPONSE_INFORMATION: _rule(_BYTE, Place.CONNECT, high=1),
        Property.REASON_STRING: _rule(_TEXT, Place.DISCONNECT, Place.PUBREL),
        Property.RECEIVE_MAXIMUM: _rule(_TWO, Place.CONNECT, low=1),
        Property.TOPIC_ALIAS_MAXIMUM: _rule(_TWO, Place.CONNECT),
        Property.TOPIC_ALIAS: _rule(_TWO, Place.PUBLISH),
        Property.MAXIMUM_PACKET_SIZE: _rule(_FOUR, Place.CONNECT, low=1),
    }
)


def read_properties(fields: Fields, place: Place) -> Properties:
    """The next properties in `fields`, without user properties. Raises MalformedPacket."""
    size = fields.varint()
    if size == 0:
        return NO_PROPERTIES
    if size > len(fields):
        raise MalformedPacket("truncated", f"properties of {size} bytes where {len(fields)} are left in the packet")
    inner = Fields(fields.data, fields.at, fields.at + size)
    fields.at = inner.stop
    found: dict[int, Value] = {}
    while len(inner):
        identifier = inner.varint()
        if identifier == Property.USER_PROPERTY:
            inner.text()
            inner.text()
        else:
            _read_one(inner, identifier, place, found)
    return found


def subscription_identifiers(fields: Fields) -> tuple[int, ...]:
    """The identifiers of the subscriptions that a PUBLISH from a broker is for (5: 3.3.2.3.8)."""
    size = fields.varint()
    inner = Fields(fields.data, fields.at, fields.at + size)
    found = []
    while len(inner):
        identifier = inner.varint()
        if identifier == Property.USER_PROPERTY:
            inner.text()
            inner.text()
        elif identifier == Property.SUBSCRIPTION_IDENTIFIER:
            found.append(inner.varint())
        elif identifier in _RULES:
            _RULES[identifier].read(inner)
        else:
            break
    return tuple(found)


def _read_one(fields: Fields, identifier: int, place: Place, found: dict[int, Value]) -> None:
    rule = _RULES.get(identifier)
    if rule is None or place not in rule.places:
        raise MalformedPacket("bad_property", f"property 0x{identifier:02x} is not allowed in {place.name}")
    value = rule.read(fields)
    if identifier in found:
        raise MalformedPacket("protocol_error", f"property {Property(identifier).name} occurs twice in {place.name}")
    if isinstance(value, int) and not rule.low <= value <= rule.high:
        raise MalformedPacket(
            "protocol_error", f"{Property(identifier).name} is {value}; {rule.low} to {rule.high} are allowed"
        )
    found[identifier] = value


_WIDTH: Mapping[int, int] = MappingProxyType(
    # Sizes in bytes of the integers in packets of a server; other values are strings.
    {
        Property.SESSION_EXPIRY_INTERVAL: 4,
        Property.RECEIVE_MAXIMUM: 2,
        Property.TOPIC_ALIAS_MAXIMUM: 2,
        Property.MAXIMUM_QOS: 1,
        Property.MAXIMUM_PACKET_SIZE: 4,
    }
)


def encode_properties(properties: Mapping[Property, int | str]) -> bytes:
    """Length and properties, in the order given."""
    encoded = bytearray()
    for identifier, value in properties.items():
        encoded.append(identifier)
        encoded += encode_text(value) if isinstance(value, str) else value.to_bytes(_WIDTH[identifier], "big")
    return encode_varint(len(encoded)) + bytes(encoded)
