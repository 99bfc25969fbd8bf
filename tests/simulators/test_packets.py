"""MQTT packets against an independent encoder, paho's, and against the standard's examples."""

from __future__ import annotations

import struct

import pytest

from simulators import packets


@pytest.mark.parametrize(
    ("length", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (268_435_455, "ffffff7f")],
)
def test_lengths_are_as_in_the_standards_table(length: int, encoded: str) -> None:
    assert packets.length_bytes(length).hex() == encoded


@pytest.mark.parametrize("size", [0, 10, 110, 111, 130, 20_000, 2_100_000])
def test_a_publish_is_found_whole_again(size: int) -> None:
    packet = packets.publish(packets.string("a/b"), b"\x00\x07", b"x" * size, qos=1, properties=b"")
    found = packets.next_packet(packet + b"\x40\x02\x00\x07", 0)

    assert found is not None
    first, body, end = found
    assert (first, end) == (0x32, len(packet))
    assert packet[body:end] == b"\x00\x03a/b\x00\x07" + b"x" * size
    assert packets.next_packet(packet[:-1], 0) is None
    assert packets.duplicate(packet)[0] == 0x3A


def test_connect_is_as_the_standard_has_it() -> None:
    body = b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"\x00\x01c" + b"\x00\x01u" + b"\x00\x01p"

    assert packets.connect("c", level=4, keep_alive_s=60, username="u", password="p") == b"\x10\x13" + body
    assert packets.connect("c", level=5, keep_alive_s=60, username=None, password=None) == (
        b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01c"
    )


def test_pubacks_in_bulk_are_told_from_everything_else() -> None:
    bulk = b"".join(struct.pack(">BBH", 0x40, 2, number) for number in (1, 2, 65_535))

    assert packets.bulk_puback_ids(bulk) == (1, 2, 65_535)
    assert packets.bulk_puback_ids(bulk[:-1]) is None
    assert packets.bulk_puback_ids(bulk + b"\xd0\x00") is None
    assert packets.bulk_puback_ids(b"\x40\x03\x00\x01\x00" + b"\x40\x02\x00") is None


def test_what_a_connack_grants_is_read() -> None:
    assert packets.decode_connack(b"\x00\x00", 4) == packets.Connack(0)
    assert packets.decode_connack(b"\x00\x05", 4) == packets.Connack(5)
    # Session expiry, receive maximum 20, maximum QoS 0, assigned client id "ab", user property.
    properties = b"\x11\x00\x00\x00\x05" + b"\x21\x00\x14" + b"\x24\x00" + b"\x12\x00\x02ab" + b"\x26\x00\x01a\x00\x01b"
    assert packets.decode_connack(b"\x00\x00" + bytes((len(properties),)) + properties, 5) == packets.Connack(0, 20, 0)


@pytest.mark.parametrize("body", [b"", b"\x00"])
def test_a_short_connack_is_malformed(body: bytes) -> None:
    with pytest.raises(ValueError, match="too short"):
        packets.decode_connack(body, 4)


def test_a_length_of_five_bytes_is_malformed() -> None:
    with pytest.raises(ValueError, match="length"):
        packets.next_packet(b"\x30\xff\xff\xff\xff\x01", 0)
