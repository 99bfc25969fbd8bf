"""Checksums of what is written: they find damage when it is read, and repair a single flipped bit.

A checksum has 12 bytes: XXH3-64, by which content is believed, and CRC-32, from which the place of one flipped bit
follows. Repaired content is believed only if its XXH3-64 matches. Both include the name of the content, so that one
content in the place of another is damage, too.
"""

from __future__ import annotations

import zlib
from functools import cache
from mmap import mmap
from typing import TypeAlias

import xxhash

Content: TypeAlias = bytes | bytearray | memoryview | mmap
SIZE = 12
_HASH_BYTES = 8
REPAIR_MAX_BYTES = 64 << 20  # finding the bit takes about 0.1 s per MB


def checksum(content: Content, name: str) -> bytes:
    """The checksum of `content`, written under `name`."""
    return _hash(content, name) + zlib.crc32(content, zlib.crc32(name.encode())).to_bytes(4, "big")


def matches(content: Content, name: str, expected: bytes) -> bool:
    """Whether `content` is what was written under `name` with this checksum."""
    return _hash(content, name) == expected[:_HASH_BYTES] and len(expected) == SIZE


def repair(content: bytes, name: str, expected: bytes) -> bytes | None:
    """What was written, if at most one bit of `content` or of its checksum is not as it was; None if more is."""
    found = checksum(content, name)
    if len(expected) != SIZE or len(content) > REPAIR_MAX_BYTES:
        return None
    if found[:_HASH_BYTES] == expected[:_HASH_BYTES]:
        return content
    if found[_HASH_BYTES:] == expected[_HASH_BYTES:]:
        return content if _bits_between(found, expected) == 1 else None
    place = _flipped_bit(int.from_bytes(found[_HASH_BYTES:]) ^ int.from_bytes(expected[_HASH_BYTES:]), len(content))
    if place is None:
        return None
    repaired = bytearray(content)
    repaired[place[0]] ^= place[1]
    return bytes(repaired) if matches(repaired, name, expected) else None


def seal(name: str, content: bytes) -> bytes:
    """The bytes that are stored under `name` for `content`: it, and its checksum."""
    return content + checksum(content, name)


def is_sealed(name: str, data: bytes) -> bool:
    """Whether these are the bytes that were stored under `name`."""
    return len(data) >= SIZE and matches(memoryview(data)[:-SIZE], name, data[-SIZE:])


def unseal(name: str, data: bytes) -> bytes | None:
    """The content of these bytes, of which one bit may have been flipped; None if they are damaged more."""
    content, expected = data[:-SIZE], data[-SIZE:]
    return content if is_sealed(name, data) else repair(content, name, expected)


def _hash(content: Content, name: str) -> bytes:
    return xxhash.xxh3_64_digest(content, seed=xxhash.xxh3_64_intdigest(name.encode()))


def _bits_between(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def _flipped_bit(difference: int, size: int) -> tuple[int, int] | None:
    """The index and the mask of the one bit whose flip changes the CRC-32 of `size` bytes by `difference`.

    Each byte after the flipped one has moved the difference on by one step, so the steps are undone one by one.
    """
    table, index_by_top, bit_by_difference = _tables()
    for index in range(size - 1, -1, -1):
        if difference in bit_by_difference:
            return index, bit_by_difference[difference]
        last = index_by_top[difference >> 24]
        difference = ((difference ^ table[last]) << 8 & 0xFFFFFFFF) | last
    return None


@cache
def _tables() -> tuple[list[int], list[int], dict[int, int]]:
    """CRC-32's table of steps; the index in it by the highest byte; the bit of the last byte by the difference."""
    table = []
    for byte in range(256):
        step = byte
        for _ in range(8):
            step = step >> 1 ^ (0xEDB88320 if step & 1 else 0)
        table.append(step)
    index_by_top = [0] * 256
    for index, step in enumerate(table):
        index_by_top[step >> 24] = index
    return table, index_by_top, {table[1 << bit]: 1 << bit for bit in range(8)}
