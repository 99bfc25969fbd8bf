"""CONNECT (3.1), the packet with the most fields: client id, credentials, will and limits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.fields import Fields
from pipeline.gateway.mqtt.packets import MAX_PACKET_BYTES, Connect, Will
from pipeline.gateway.mqtt.properties import NO_PROPERTIES, Place, Properties, Property, read_properties
from pipeline.gateway.mqtt.topics import validate_name

USERNAME, PASSWORD, WILL_RETAIN, WILL_QOS, WILL, CLEAN_START, RESERVED = 0x80, 0x40, 0x20, 0x18, 0x04, 0x02, 0x01
"""3.1.2.3: the connect flags."""


BRIDGE = 0x80
"""In the protocol level, by custom (Mosquitto's `try_private`): this client is the bridge of a broker. It means nothing
to who sends no messages, and a bridge that is refused for it may never try without."""

_VERSIONS: Mapping[tuple[bytes, int], Version] = MappingProxyType(
    {
        (b"MQIsdp", 3): Version.V3_1_1,  # MQTT 3.1: the packets of a publishing client are the same
        (b"MQIsdp", 3 | BRIDGE): Version.V3_1_1,
        (b"MQTT", 4): Version.V3_1_1,
        (b"MQTT", 4 | BRIDGE): Version.V3_1_1,
        (b"MQTT", 5): Version.V5,
    }
)


class UnsupportedVersion(MalformedPacket):
    """A CONNECT with an unsupported protocol `level`; the refusal has the form of the nearest version."""

    def __init__(self, level: int) -> None:
        super().__init__(
            "unsupported_version", f"MQTT protocol level {level}; 3 (MQTT 3.1), 4 (3.1.1) and 5 are spoken here"
        )
        self.level = level


def decode_connect(fields: Fields) -> Connect:
    """The CONNECT in `fields`. Raises UnsupportedVersion for other protocol levels, MalformedPacket otherwise."""
    version = _version(fields)
    flags = fields.byte()
    _check_flags(flags, version)
    keep_alive_s = fields.two_bytes()
    properties = read_properties(fields, Place.CONNECT) if version is Version.V5 else NO_PROPERTIES
    client_id = fields.text()
    will = _will(fields, flags, version) if flags & WILL else None
    username = fields.text() if flags & USERNAME else None
    password = fields.binary() if flags & PASSWORD else None
    if Property.AUTHENTICATION_DATA in properties and Property.AUTHENTICATION_METHOD not in properties:
        raise MalformedPacket("protocol_error", "authentication data without an authentication method")
    return Connect(
        version=version,
        client_id=client_id,
        clean_start=bool(flags & CLEAN_START),
        keep_alive_s=keep_alive_s,
        username=username,
        password=password,
        will=will,
        session_expiry_s=_integer(properties, Property.SESSION_EXPIRY_INTERVAL, 0),
        max_packet_bytes=_integer(properties, Property.MAXIMUM_PACKET_SIZE, MAX_PACKET_BYTES),
        authentication_method=_text(properties, Property.AUTHENTICATION_METHOD),
    )


def _version(fields: Fields) -> Version:
    name = fields.binary()
    if name not in {b"MQTT", b"MQIsdp"}:
        raise MalformedPacket("bad_protocol_name", f"protocol name {name[:20]!r} in CONNECT; it must be b'MQTT'")
    level = fields.byte()
    version = _VERSIONS.get((name, level))
    if version is None:
        raise UnsupportedVersion(level)
    return version


def _check_flags(flags: int, version: Version) -> None:
    wrong = (
        flags & RESERVED
        or flags & WILL_QOS == WILL_QOS  # 3.1.2.6: QoS 3
        or (not flags & WILL and flags & (WILL_QOS | WILL_RETAIN))
        or (version is Version.V3_1_1 and flags & PASSWORD and not flags & USERNAME)  # 3: 3.1.2.9
    )
    if wrong:
        raise MalformedPacket("bad_flags", f"connect flags 0x{flags:02x}")


def _will(fields: Fields, flags: int, version: Version) -> Will:
    if version is Version.V5:
        read_properties(fields, Place.WILL)
    return Will(
        mqtt_topic=validate_name(fields.binary()),
        payload=fields.binary(),
        qos=(flags & WILL_QOS) >> 3,
        is_retained=bool(flags & WILL_RETAIN),
    )


def _integer(properties: Properties, key: Property, default: int) -> int:
    value = properties.get(key, default)
    assert isinstance(value, int)
    return value


def _text(properties: Properties, key: Property) -> str | None:
    value = properties.get(key)
    assert value is None or isinstance(value, str)
    return value
