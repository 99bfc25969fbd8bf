"""Packets of clients, good and bad, as the standard has them (section numbers in the names of cases)."""

from __future__ import annotations

import pytest

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.connect import UnsupportedVersion
from pipeline.gateway.mqtt.decode import decode, header
from pipeline.gateway.mqtt.packets import (
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Publish,
    Pubrel,
    Subscribe,
    Unsubscribe,
    Will,
)
from pipeline.gateway.mqtt.topics import TopicNames
from tests.support.mqtt_packets import packet, publish

V3, V5 = Version.V3_1_1, Version.V5
MQTT = b"\0\4MQTT"


def read(data: bytes, version: Version = V3) -> Packet:
    found = header(data, 0, 1 << 20)
    assert found is not None
    assert found.stop == len(data)
    return decode(data, found, version, TopicNames())


GOOD = {
    "3.1 the least CONNECT": (
        V3,
        packet(0x10, MQTT + b"\x04\x02\0\x3c\0\1d"),
        Connect(V3, "d", clean_start=True, keep_alive_s=60, username=None, password=None, will=None),
    ),
    "3.1 all fields": (
        V3,
        packet(0x10, MQTT + b"\x04\xec\0\x05\0\1d\0\2w/\0\3bye\0\1u\0\2pw"),
        Connect(V3, "d", False, 5, "u", b"pw", Will("w/", b"bye", 1, True)),
    ),
    "3.1.3.5 a password of zero bytes": (
        V3,
        packet(0x10, MQTT + b"\x04\xc2\0\0\0\0\0\1u\0\0"),
        Connect(V3, "", True, 0, "u", b"", None),
    ),
    "5: 3.1.2.9 a password without user name": (
        V5,
        packet(0x10, MQTT + b"\x05\x42\0\0\0\0\0\0\1p"),
        Connect(V5, "", True, 0, None, b"p", None),
    ),
    "5: 3.1.2.11 properties": (
        V5,
        packet(0x10, MQTT + b"\x05\x02\0\0\x16\x11\0\0\0\7\x27\0\0\1\0\x15\0\2XY\x26\0\1a\0\1b" + b"\0\1d"),
        Connect(V5, "d", True, 0, None, None, None, 7, 256, "XY"),
    ),
    "5: 3.1.3.2 will properties": (
        V5,
        packet(0x10, MQTT + b"\x05\x0e\0\0\0\0\1d\x07\x18\0\0\0\x09\x01\x01\0\1w\0\0"),
        Connect(V5, "d", True, 0, None, None, Will("w", b"", 1)),
    ),
    "3.3 QoS 0": (V3, b"\x30\x05\0\3a/b", Publish("a/b", b"", 0, 0)),
    "3.3 QoS 1, DUP, RETAIN": (V3, packet(0x3B, b"\0\1t\0\7{}"), Publish("t", b"{}", 1, 7, None, True)),
    "3.3 DUP with QoS 0, as old clients set it": (V3, packet(0x38, b"\0\1tx"), Publish("t", b"x", 0, 0)),
    "3.3 QoS 2": (V3, packet(0x34, b"\0\1t\0\7"), Publish("t", b"", 2, 7)),
    "5: 3.3 no properties": (V5, packet(0x32, b"\0\1t\0\7\0x"), Publish("t", b"x", 1, 7)),
    "5: 3.3.2.3 properties": (
        V5,
        packet(0x32, b"\0\1t\0\7\x17\x01\1\x02\0\0\0\1\x23\0\2\x03\0\1j\x09\0\1c\x26\0\0\0\0" + b"x"),
        Publish("t", b"x", 1, 7, 2),
    ),
    "5: 3.3.2.3.4 a topic alias alone": (V5, packet(0x30, b"\0\0\3\x23\0\2x"), Publish("", b"x", 0, 0, 2)),
    "3.6 PUBREL": (V3, packet(0x62, b"\0\7"), Pubrel(7)),
    "5: 3.6 PUBREL with reason": (V5, packet(0x62, b"\0\7\x92\0"), Pubrel(7)),
    "3.8 SUBSCRIBE": (V3, packet(0x82, b"\0\1\0\3a/#\1\0\1+\0"), Subscribe(1, ("a/#", "+"))),
    "5: 3.8 SUBSCRIBE": (V5, packet(0x82, b"\0\1\2\x0b\1\0\1#\x2d"), Subscribe(1, ("#",))),
    "3.10 UNSUBSCRIBE": (V3, packet(0xA2, b"\0\1\0\1a"), Unsubscribe(1, ("a",))),
    "5: 3.10 UNSUBSCRIBE": (V5, packet(0xA2, b"\0\1\0\0\1a"), Unsubscribe(1, ("a",))),
    "3.12 PINGREQ": (V3, b"\xc0\0", Pingreq()),
    "3.14 DISCONNECT": (V3, b"\xe0\0", Disconnect(0)),
    "5: 3.14 DISCONNECT with will": (V5, b"\xe0\1\4", Disconnect(4)),
    "5: 3.14 DISCONNECT with properties": (V5, b"\xe0\7\0\5\x11\0\0\0\0", Disconnect(0)),
}

BAD = {
    "2.2.1 type 0": (V3, b"\0\0", "unexpected_packet"),
    "2.2.1 what only servers send": (V3, b"\x20\2\0\0", "unexpected_packet"),
    "5: 4.12 AUTH without enhanced authentication": (V5, b"\xf0\0", "unexpected_packet"),
    "2.2.2 flags of PINGREQ": (V3, b"\xc1\0", "bad_flags"),
    "2.2.2 flags of SUBSCRIBE": (V3, packet(0x80, b"\0\1\0\1a\0"), "bad_flags"),
    "3.1.2.1 protocol name": (V3, packet(0x10, b"\0\4MQTX\x04\x02\0\0\0\0"), "bad_protocol_name"),
    "3.1.2.2 protocol level": (V3, packet(0x10, MQTT + b"\x03\x02\0\0\0\0"), "unsupported_version"),
    "3.1.2.3 the reserved flag": (V3, packet(0x10, MQTT + b"\x04\x03\0\0\0\0"), "bad_flags"),
    "3.1.2.6 will QoS 3": (V3, packet(0x10, MQTT + b"\x04\x1e\0\0\0\1d\0\1w\0\0"), "bad_flags"),
    "3.1.2.6 will QoS without will": (V3, packet(0x10, MQTT + b"\x04\x0a\0\0\0\1d"), "bad_flags"),
    "3.1.2.7 will retain without will": (V3, packet(0x10, MQTT + b"\x04\x22\0\0\0\1d"), "bad_flags"),
    "3: 3.1.2.9 password without user name": (V3, packet(0x10, MQTT + b"\x04\x42\0\0\0\1d\0\1p"), "bad_flags"),
    "3.1.3 no client id": (V3, packet(0x10, MQTT + b"\x04\x02\0\0"), "truncated"),
    "3.1.3 a client id cut short": (V3, packet(0x10, MQTT + b"\x04\x02\0\0\0\3ab"), "truncated"),
    "3.1.3 more than there should be": (V3, packet(0x10, MQTT + b"\x04\x02\0\0\0\1dX"), "trailing_bytes"),
    "3.1.3.2 a will's topic with a wildcard": (
        V3,
        packet(0x10, MQTT + b"\x04\x06\0\0\0\1d\0\1#\0\0"),
        "bad_topic",
    ),
    "5: 3.1.2.11 a property of PUBLISH": (V5, packet(0x10, MQTT + b"\x05\x02\0\0\3\x23\0\1\0\1d"), "bad_property"),
    "5: 3.1.2.11 receive maximum 0": (V5, packet(0x10, MQTT + b"\x05\x02\0\0\3\x21\0\0\0\1d"), "protocol_error"),
    "5: 3.1.2.11 receive maximum twice": (
        V5,
        packet(0x10, MQTT + b"\x05\x02\0\0\6\x21\0\1\x21\0\1\0\1d"),
        "protocol_error",
    ),
    "5: 3.1.2.11.10 authentication data alone": (
        V5,
        packet(0x10, MQTT + b"\x05\x02\0\0\3\x16\0\0\0\1d"),
        "protocol_error",
    ),
    "5: 2.2.2.1 properties longer than the packet": (V5, packet(0x10, MQTT + b"\x05\x02\0\0\x50\0\1d"), "truncated"),
    "5: 1.5.5 a length in five bytes": (V5, packet(0x32, b"\0\1t\0\7\x80\x80\x80\x80\0"), "bad_length"),
    "5: 1.5.5 a length not in its shortest form": (V5, packet(0x32, b"\0\1t\0\7\x80\0"), "bad_length"),
    "3.3.1.2 QoS 3": (V3, packet(0x36, b"\0\1t\0\7"), "bad_flags"),
    "3.3.2.1 no topic": (V3, packet(0x30, b"\0"), "truncated"),
    "3.3.2.1 an empty topic": (V3, packet(0x30, b"\0\0x"), "bad_topic"),
    "5: 3.3.2.1 an empty topic and no alias": (V5, packet(0x30, b"\0\0\0x"), "bad_topic"),
    "3.3.2.1 a wildcard +": (V3, packet(0x30, b"\0\3a/+"), "bad_topic"),
    "3.3.2.1 a wildcard #": (V3, packet(0x30, b"\0\3a/#"), "bad_topic"),
    "4.7.3 NUL in a topic": (V3, packet(0x30, b"\0\3a\0b"), "bad_utf8"),
    "1.5.3 a topic that is not UTF-8": (V3, packet(0x30, b"\0\2\xff\xfe"), "bad_utf8"),
    "1.5.3 a surrogate": (V3, packet(0x30, b"\0\3\xed\xa0\x80"), "bad_utf8"),
    "1.5.3 an overlong form": (V3, packet(0x30, b"\0\2\xc0\xaf"), "bad_utf8"),
    "3.3.2.1 a topic longer than the packet": (V3, packet(0x30, b"\0\x09a/b"), "truncated"),
    "2.3.1 packet identifier 0": (V3, packet(0x32, b"\0\1t\0\0"), "bad_packet_id"),
    "3.3.2.2 no packet identifier": (V3, packet(0x32, b"\0\1t\0"), "truncated"),
    "5: 3.3.2.3 no property length": (V5, packet(0x32, b"\0\1t\0\7"), "truncated"),
    "5: 3.3.2.3 a subscription identifier": (V5, packet(0x30, b"\0\1t\2\x0b\1"), "bad_property"),
    "5: 2.2.2.2 an unknown property": (V5, packet(0x30, b"\0\1t\2\x7e\1"), "bad_property"),
    "5: 3.3.2.3.2 a payload format of 2": (V5, packet(0x30, b"\0\1t\2\1\2"), "protocol_error"),
    "5: 3.3.2.3.5 a response topic with a wildcard": (V5, packet(0x30, b"\0\1t\4\x08\0\1#"), "protocol_error"),
    "5: 3.3.2.3.7 half a user property": (V5, packet(0x30, b"\0\1t\4\x26\0\1a"), "truncated"),
    "3.8.3 no topic filter": (V3, packet(0x82, b"\0\1"), "protocol_error"),
    "3.8.3 an empty topic filter": (V3, packet(0x82, b"\0\1\0\0\0"), "bad_topic_filter"),
    "3.8.3 QoS 3": (V3, packet(0x82, b"\0\1\0\1a\3"), "bad_flags"),
    "3.8.3 reserved bits": (V3, packet(0x82, b"\0\1\0\1a\4"), "bad_flags"),
    "5: 3.8.3.1 retain handling 3": (V5, packet(0x82, b"\0\1\0\0\1a\x30"), "bad_flags"),
    "3.10.3 no topic filter": (V3, packet(0xA2, b"\0\1"), "protocol_error"),
    "3.12 PINGREQ with a body": (V3, b"\xc0\1x", "trailing_bytes"),
    "3.14 DISCONNECT with a body": (V3, b"\xe0\1\0", "trailing_bytes"),
}


@pytest.mark.parametrize(("version", "data", "expected"), GOOD.values(), ids=GOOD)
def test_a_good_packet_is_read_as_the_standard_says(version: Version, data: bytes, expected: Packet) -> None:
    assert read(data, version) == expected


@pytest.mark.parametrize(("version", "data", "reason"), BAD.values(), ids=BAD)
def test_a_bad_packet_is_refused_with_its_reason(version: Version, data: bytes, reason: str) -> None:
    with pytest.raises(MalformedPacket) as refused:
        read(data, version)

    assert refused.value.reason == reason
    assert str(refused.value)


@pytest.mark.parametrize("end", range(1, 5))
def test_a_fixed_header_not_yet_whole_asks_for_more(end: int) -> None:
    assert header(b"\x30\xff\xff\xff\x7f"[:end], 0, 1 << 28) is None


def test_a_remaining_length_of_five_bytes_is_refused() -> None:
    """2.2.3: four bytes at most."""
    with pytest.raises(MalformedPacket, match="four bytes"):
        header(b"\x30\xff\xff\xff\xff\x01", 0, 1 << 28)


@pytest.mark.parametrize(("most", "is_refused"), [(130, True), (131, False), (132, False)])
def test_a_packet_larger_than_allowed_is_refused_by_its_header_alone(most: int, is_refused: bool) -> None:
    data = packet(0x82, bytes(128))
    assert len(data) == 131

    if is_refused:
        with pytest.raises(MalformedPacket, match="131 bytes; 130 are allowed"):
            header(data[:3], 0, most)
    else:
        found = header(data[:3], 0, most)
        assert found is not None
        assert found.stop == 131


def test_a_publish_larger_than_allowed_is_not_refused_by_its_header() -> None:
    assert header(publish("t", bytes(125)), 0, 100) == (0x30, 3, 131)


@pytest.mark.parametrize("start", [b"\0\6MQIsdp\x03", b"\0\6MQIsdp\x83", b"\0\4MQTT\x84"])
def test_mqtt_3_1_and_bridges_with_their_bit_in_the_level_speak_3_1_1(start: bytes) -> None:
    connect = read(packet(0x10, start + b"\x02\0\0\0\0"))

    assert isinstance(connect, Connect)
    assert connect.version is V3


@pytest.mark.parametrize("start", [b"\0\6MQIsdp\x04", b"\0\4MQTT\x03", b"\0\4MQTT\x83", b"\0\4MQTT\x85", b"\0\4MQTT\6"])
def test_other_levels_are_unsupported_versions(start: bytes) -> None:
    with pytest.raises(UnsupportedVersion, match=f"level {start[-1]}; 3"):
        read(packet(0x10, start + b"\x02\0\0\0\0"))


@pytest.mark.parametrize(("size", "is_good"), [(9, True), (10, True), (11, False)])
def test_a_topic_is_at_most_as_long_as_the_listener_allows(size: int, is_good: bool) -> None:
    names = TopicNames(max_bytes=10)

    if is_good:
        assert names.name(b"t" * size) == "t" * size
    else:
        with pytest.raises(MalformedPacket, match="11 bytes; 10 are allowed"):
            names.name(b"t" * size)
