"""The data types of MQTT packets (1.5): integers, variable byte integers, strings, binary data.

`Fields` reads them one after another from one packet and raises MalformedPacket if they are missing.
"""

from __future__ import annotations

from pipeline.base.errors import MalformedPacket


class Fields:
    """A cursor over `data[at:stop]`, the body of one packet. Every method reads one field and moves on."""

    __slots__ = ("at", "data", "stop")

    def __init__(self, data: bytes, at: int, stop: int) -> None:
        self.data = data
        self.at = at
        self.stop = stop

    def __len__(self) -> int:
        return self.stop - self.at

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        at = self.at
        after = at + size
        if after > self.stop:
            raise MalformedPacket("truncated", f"a field of {size} bytes where {self.stop - at} are left in the packet")
        self.at = after
        return self.data[at:after]

    def byte(self) -> int:
        """1.5.1: one byte."""
        return self.take(1)[0]

    def two_bytes(self) -> int:
        """1.5.2: a two byte integer."""
        return int.from_bytes(self.take(2), "big")

    def four_bytes(self) -> int:
        """5: 1.5.3: a four byte integer."""
        return int.from_bytes(self.take(4), "big")

    def varint(self) -> int:
        """5: 1.5.5: a variable byte integer of at most four bytes, in its shortest form."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise MalformedPacket("bad_length", f"the length {value} is not written in its shortest form")
                return value
        raise MalformedPacket("bad_length", "a length of more than four bytes")

    def binary(self) -> bytes:
        """5: 1.5.6: binary data, up to 65,535 bytes."""
        return self.take(self.two_bytes())

    def text(self) -> str:
        """1.5.3 (5: 1.5.4): a UTF-8 string without U+0000 and surrogates."""
        return decode_text(self.binary())

    def rest(self) -> bytes:
        """All remaining bytes."""
        return self.take(self.stop - self.at)

    def packet_id(self) -> int:
        """2.3.1 (5: 2.2.1): a packet identifier, which is never 0."""
        packet_id = self.two_bytes()
        if packet_id == 0:
            raise MalformedPacket("bad_packet_id", "packet identifier 0; 1 to 65,535 are allowed")
        return packet_id

    def end(self) -> None:
        """Raise MalformedPacket if bytes remain."""
        if self.at != self.stop:
            raise MalformedPacket("trailing_bytes", f"{self.stop - self.at} bytes after the packet's last field")


def decode_text(raw: bytes) -> str:
    """The string in `raw` (1.5.3). Strict UTF-8 refuses surrogates and overlong forms, as the standard requires."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacket(
            "bad_utf8", f"a string that is not UTF-8: {error.reason} at byte {error.start}"
        ) from error
    if "\0" in text:
        raise MalformedPacket("bad_utf8", f"the string {text[:80]!r} holds U+0000")
    return text


def encode_varint(value: int) -> bytes:
    """5: 1.5.5, the shortest form; 0 ≤ value ≤ 268,435,455."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_text(text: str) -> bytes:
    """1.5.3: length and UTF-8."""
    return encode_binary(text.encode())


def encode_binary(data: bytes) -> bytes:
    """5: 1.5.6: length and bytes, at most 65,535."""
    return len(data).to_bytes(2, "big") + data
