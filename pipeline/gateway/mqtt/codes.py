"""The numbers of MQTT: packet types with their fixed flags, reason codes, and their equivalents in 3.1.1.

These are tables of the standard; nothing is decided here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class Version(enum.IntEnum):
    """The protocol level in CONNECT (3.1.2.2)."""

    V3_1_1 = 4
    V5 = 5


class PacketType(enum.IntEnum):
    """Table 2-1: control packet types."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


FIXED_FLAGS: Mapping[PacketType, int] = MappingProxyType(
    # Table 2-2: the low four bits of the first byte; PUBLISH uses them.
    {kind: 0b0010 if kind.name in {"PUBREL", "SUBSCRIBE", "UNSUBSCRIBE"} else 0 for kind in PacketType}
)


class ReasonCode(enum.IntEnum):
    """5: table 2-6, those that this server receives or sends."""

    SUCCESS = 0x00
    DISCONNECT_WITH_WILL = 0x04
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED_ERROR = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_IDENTIFIER_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_BUSY = 0x89
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_NAME_INVALID = 0x90
    PACKET_IDENTIFIER_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QOS_NOT_SUPPORTED = 0x9B


CONNECT_RETURN_CODE: Mapping[ReasonCode, int] = MappingProxyType(
    # 3: table 3.1. For any other refusal the connection is closed without CONNACK.
    {
        ReasonCode.SUCCESS: 0,
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION: 1,
        ReasonCode.CLIENT_IDENTIFIER_NOT_VALID: 2,
        ReasonCode.SERVER_BUSY: 3,
        ReasonCode.BAD_USER_NAME_OR_PASSWORD: 4,
        ReasonCode.NOT_AUTHORIZED: 5,
    }
)

SUBACK_FAILURE = 0x80  # 3: 3.9.3; in version 5 it is a reason code

REASON_CODE_OF: Mapping[str, ReasonCode] = MappingProxyType(
    # The reason code of a DISCONNECT for a `MalformedPacket.reason`; for any other it is MALFORMED_PACKET.
    {
        "bad_topic": ReasonCode.TOPIC_NAME_INVALID,
        "bad_topic_alias": ReasonCode.TOPIC_ALIAS_INVALID,
        "packet_too_large": ReasonCode.PACKET_TOO_LARGE,
        "protocol_error": ReasonCode.PROTOCOL_ERROR,
        "receive_maximum_exceeded": ReasonCode.RECEIVE_MAXIMUM_EXCEEDED,
        "unsupported_version": ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
    }
)
