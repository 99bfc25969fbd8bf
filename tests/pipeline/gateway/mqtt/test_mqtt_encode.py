"""What the server sends, read by paho's own unpacking and compared with the standard's bytes."""

from __future__ import annotations

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode as PahoReasonCode

from pipeline.gateway.mqtt import encode
from pipeline.gateway.mqtt.codes import CONNECT_RETURN_CODE, ReasonCode, Version
from pipeline.gateway.mqtt.fields import Fields, encode_varint
from pipeline.gateway.mqtt.properties import Property

V3, V5 = Version.V3_1_1, Version.V5


def test_connack_properties_are_read_by_paho_as_they_were_given() -> None:
    given = {
        Property.RECEIVE_MAXIMUM: 20,
        Property.MAXIMUM_QOS: 1,
        Property.MAXIMUM_PACKET_SIZE: 262_144,
        Property.TOPIC_ALIAS_MAXIMUM: 32,
        Property.SESSION_EXPIRY_INTERVAL: 0,
        Property.ASSIGNED_CLIENT_IDENTIFIER: "grün",
    }

    packet = encode.connack(V5, ReasonCode.SUCCESS, given)

    properties = Properties(PacketTypes.CONNACK)
    properties.unpack(packet[4:])
    assert packet[:4] == bytes((0x20, len(packet) - 2, 0, 0))
    assert properties.json() == {
        "ReceiveMaximum": 20,
        "MaximumQoS": 1,
        "MaximumPacketSize": 262_144,
        "TopicAliasMaximum": 32,
        "SessionExpiryInterval": 0,
        "AssignedClientIdentifier": "grün",
    }


@pytest.mark.parametrize("code", [code for code in ReasonCode if code in CONNECT_RETURN_CODE])
def test_connack_in_3_1_1_says_what_table_3_1_knows(code: ReasonCode) -> None:
    assert encode.connack(V3, code) == bytes((0x20, 2, 0, CONNECT_RETURN_CODE[code]))


def test_a_refusal_that_3_1_1_cannot_say_has_no_connack() -> None:
    assert encode.connack(V3, ReasonCode.QOS_NOT_SUPPORTED) == b""


@pytest.mark.parametrize(
    "code",
    [
        ReasonCode.MALFORMED_PACKET,
        ReasonCode.PROTOCOL_ERROR,
        ReasonCode.SERVER_SHUTTING_DOWN,
        ReasonCode.KEEP_ALIVE_TIMEOUT,
        ReasonCode.SESSION_TAKEN_OVER,
        ReasonCode.TOPIC_NAME_INVALID,
        ReasonCode.RECEIVE_MAXIMUM_EXCEEDED,
        ReasonCode.TOPIC_ALIAS_INVALID,
        ReasonCode.PACKET_TOO_LARGE,
        ReasonCode.QOS_NOT_SUPPORTED,
    ],
)
def test_every_disconnect_is_one_that_paho_knows(code: ReasonCode) -> None:
    packet = encode.disconnect(code, "why")

    known = PahoReasonCode(PacketTypes.DISCONNECT, identifier=packet[2])
    properties = Properties(PacketTypes.DISCONNECT)
    properties.unpack(packet[3:])
    assert (packet[0], packet[1], known.value) == (0xE0, len(packet) - 2, code)
    assert properties.json() == {"ReasonString": "why"}


def test_pubacks_keep_their_order() -> None:
    assert encode.pubacks([b"\0\1", b"\1\0"]) == b"\x40\2\0\1\x40\2\1\0"


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (encode.PINGRESP, b"\xd0\0"),
        (encode.pubrecs([b"\0\7", b"\0\1"]), b"\x50\2\0\7\x50\2\0\1"),
        (encode.pubcomp(V3, 7, is_known=True), b"\x70\2\0\7"),
        (encode.pubcomp(V5, 7, is_known=True), b"\x70\2\0\7"),
        (encode.pubcomp(V3, 7, is_known=False), b"\x70\2\0\7"),
        (encode.pubcomp(V5, 7, is_known=False), b"\x70\3\0\7\x92"),
        (encode.pubrel_unknown(V3, 7), b"\x62\2\0\7"),
        (encode.pubrel_unknown(V5, 7), b"\x62\3\0\7\x92"),
        (encode.suback_refused(V3, 7, 2), b"\x90\4\0\7\x80\x80"),
        (encode.suback_refused(V5, 7, 2), b"\x90\5\0\7\0\x87\x87"),
        (encode.unsuback(V3, 7, 2), b"\xb0\2\0\7"),
        (encode.unsuback(V5, 7, 2), b"\xb0\5\0\7\0\x11\x11"),
        (encode.disconnect(ReasonCode.SERVER_SHUTTING_DOWN), b"\xe0\1\x8b"),
    ],
)
def test_short_packets_are_the_bytes_of_the_standard(packet: bytes, expected: bytes) -> None:
    assert packet == expected


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        # table 2.4
        (0, b"\0"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_151, b"\xff\xff\x7f"),
        (2_097_152, b"\x80\x80\x80\x01"),
        (268_435_455, b"\xff\xff\xff\x7f"),
    ],
)
def test_lengths_are_those_of_the_standards_table(value: int, encoded: bytes) -> None:
    assert encode_varint(value) == encoded
    assert Fields(encoded, 0, len(encoded)).varint() == value
