"""The bulk path and the reader of single packets agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt import topics
from pipeline.gateway.mqtt.bulk import take_publishes
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.decode import decode, header
from pipeline.gateway.mqtt.packets import Publish
from pipeline.gateway.mqtt.topics import TopicNames
from tests.support.mqtt_packets import publish

Taken = tuple[int, list[str], list[bytes], list[bytes]]

topic_names = st.sampled_from(["t", "a/b", "grün/°"])
versions = st.sampled_from(Version)
flags = st.sampled_from([0, 1])
payloads = st.binary(min_size=1, max_size=300)


def known(*given: str) -> TopicNames:
    found = TopicNames()
    for topic in given:
        found.name(topic.encode())
    return found


ALL = known("t", "a/b", "grün/°")


def take(data: bytes, version: Version, limit: int = 1_000) -> Taken:
    names: list[str] = []
    bodies: list[bytes] = []
    packet_ids: list[bytes] = []
    is_v5 = version is Version.V5
    at = take_publishes(data, 0, ALL.known, names, bodies, packet_ids, is_v5=is_v5, limit=limit)
    return at, names, bodies, packet_ids


def take_singly(data: bytes, version: Version, stop: int) -> Taken:
    names: list[str] = []
    bodies: list[bytes] = []
    packet_ids: list[bytes] = []
    at = 0
    while at < stop:
        found = header(data, at, 1 << 20)
        assert found is not None
        packet = decode(data, found, version, ALL)
        assert isinstance(packet, Publish)
        names.append(packet.mqtt_topic)
        bodies.append(packet.payload)
        if packet.qos:
            packet_ids.append(packet.packet_id.to_bytes(2, "big"))
        at = found.stop
    return at, names, bodies, packet_ids


@given(version=versions, messages=st.lists(st.tuples(topic_names, payloads, st.integers(0, 65_535), flags), max_size=8))
def test_ordinary_messages_are_all_taken_and_read_as_single_packets_are(
    version: Version, messages: list[tuple[str, bytes, int, int]]
) -> None:
    data = b"".join(
        publish(topic, payload, packet_id=packet_id, version=version, flags=flags)
        for topic, payload, packet_id, flags in messages
    )

    taken = take(data, version)

    assert taken[0] == len(data)
    assert taken == take_singly(data, version, len(data))


@given(
    version=versions,
    messages=st.lists(st.tuples(topic_names, payloads, st.integers(0, 65_535)), min_size=1, max_size=4),
    damage=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 2_000),
)
def test_of_damaged_bytes_nothing_is_taken_that_single_packets_would_refuse_or_read_otherwise(
    version: Version, messages: list[tuple[str, bytes, int]], damage: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray().join(publish(t, p, packet_id=i, version=version) for t, p, i in messages)
    for at, byte in damage:
        data[at % len(data)] = byte
    whole = bytes(data[: max(1, len(data) - cut % 20)])

    taken = take(whole, version)

    assert taken == take_singly(whole, version, taken[0])


@given(version=versions, data=st.binary(max_size=200))
def test_random_bytes_raise_nothing_in_bulk_and_only_malformed_packet_singly(version: Version, data: bytes) -> None:
    at, *_ = take(data, version)
    assert 0 <= at <= len(data)

    try:
        found = header(data, 0, 1 << 20)
        if found is not None and found.stop <= len(data):
            decode(data, found, version, TopicNames())
    except MalformedPacket as error:
        assert error.reason.isidentifier()  # noqa: PT017  most random bytes are malformed, some are not


def test_no_more_are_taken_than_there_is_room_for() -> None:
    data = publish("t", b"x") * 5

    at, _, bodies, _ = take(data, Version.V3_1_1, limit=3)

    assert (at, len(bodies)) == (3 * len(publish("t", b"x")), 3)


def test_a_name_not_seen_before_is_left_to_the_reader_of_single_packets() -> None:
    assert take(publish("new", b"x"), Version.V3_1_1)[0] == 0


def test_long_names_are_valid_but_not_remembered() -> None:
    remembered = TopicNames()

    assert remembered.name(b"t" * 257) == "t" * 257
    assert not remembered.known


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x03\0\3a/b",
        b"\x32\x05\0\3a/b\0\1",
        b"\x32\x05\0\1t\0\0",
        b"\x34\x05\0\1t\0\1",
        b"\x38\x03\0\1t",
        b"\x30\x03\0\1t",
    ],
    ids=[
        "a topic beyond its packet",
        "an identifier beyond its packet",
        "identifier 0",
        "QoS 2",
        "DUP with QoS 0",
        "an empty payload",
    ],
)
def test_what_is_not_ordinary_is_left_to_the_reader_of_single_packets(data: bytes) -> None:
    assert take(data + publish("t", b"x"), Version.V3_1_1)[0] == 0


def test_remembered_names_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "KNOWN_NAMES", 3)
    remembered = TopicNames()

    for i in range(100):
        assert remembered.name(b"%d" % i) == str(i)
        assert len(remembered.known) <= 3


def test_retained_messages_are_left_where_they_are_not_ordinary() -> None:
    bodies: list[bytes] = []

    def take_into(data: bytes) -> int:
        return take_publishes(data, 0, ALL.known, [], bodies, [], is_v5=False, limit=9, takes_retained=False)

    assert take_into(publish("t", b"x", packet_id=1, flags=0x08)) > 0
    assert take_into(publish("t", b"x")) > 0
    assert take_into(publish("t", b"x", packet_id=1, flags=0x01)) == 0
    assert take_into(publish("t", b"x", flags=0x01)) == 0
