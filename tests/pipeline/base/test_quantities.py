from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.quantities import (
    Address,
    format_size,
    parse_address,
    parse_size,
)


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [("256KiB", 256 * 1024), ("2GiB", 2**31), ("2 GiB", 2**31), ("5MB", 5_000_000), ("7", 7), (7, 7), ("7B", 7)],
)
def test_sizes_are_bytes_or_a_number_and_a_unit(value: object, size_bytes: int) -> None:
    assert parse_size(value) == size_bytes


@pytest.mark.parametrize("value", ["", -1, 1.5, "1.5GiB", "2gib", "2Gi", "2PiB", True, None, "1e9"])
def test_what_is_no_size_is_refused_with_the_value(value: object) -> None:
    with pytest.raises(ValueError, match="is not a size") as refusal:
        parse_size(value)

    assert str(value) in str(refusal.value)


@pytest.mark.parametrize("value", [0, "0", "0GiB", 2**50 + 1, "1025TiB", "999999999999999TiB"])
def test_sizes_of_nothing_and_beyond_any_disk_are_out_of_range(value: object) -> None:
    with pytest.raises(ValueError, match="out of range"):
        parse_size(value)


@given(st.integers(1, 2**50))
def test_a_formatted_size_reads_as_itself(size_bytes: int) -> None:
    assert parse_size(format_size(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("text", "address", "is_loopback"),
    [
        ("127.0.0.1:1883", Address("127.0.0.1", 1883), True),
        ("127.9.9.9:0", Address("127.9.9.9", 0), True),
        ("localhost:80", Address("localhost", 80), True),
        ("[::1]:80", Address("::1", 80), True),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535), False),
        ("[::]:80", Address("::", 80), False),
        ("192.168.1.7:80", Address("192.168.1.7", 80), False),
        ("gauge.example:80", Address("gauge.example", 80), False),
        ("localhost.example:80", Address("localhost.example", 80), False),
    ],
)
def test_addresses_are_host_and_port_and_know_whether_others_can_connect(
    text: str, address: Address, is_loopback: bool
) -> None:
    parsed = parse_address(text)

    assert parsed == address
    assert parsed.is_loopback == is_loopback
    assert str(parsed) == text


@pytest.mark.parametrize("value", ["", "1883", ":1883", "host", "host:", "host:65536", "::1:80", "a b:1", "h:-1", 1883])
def test_what_is_no_address_is_refused_with_the_value(value: object) -> None:
    with pytest.raises(ValueError, match="is not an address") as refusal:
        parse_address(value)

    assert str(value) in str(refusal.value)
