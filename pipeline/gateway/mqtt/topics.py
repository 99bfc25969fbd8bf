"""Names of MQTT topics: validated (4.7) and cached, because devices publish to the same names again and again.

The bulk path reads `TopicNames.known` without a call: bytes of a valid name → its text. Its size is bounded by the
number of names (it is emptied when full; names in use return with their next messages) and by their length.
"""

from __future__ import annotations

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.fields import decode_text

BRIDGE_STATE = b"$SYS/broker/connection/"  # the state messages of a bridge: `bridges` checks each one
KNOWN_NAMES = 200_000  # twice the 100,000 devices of the reference load; about 40 MB of names of 50 bytes
KNOWN_NAME_BYTES = 256  # longer names are valid but not cached, so that no device can fill the memory with them


class TopicNames:
    """Validates names of topics to publish to, at most `max_bytes` long, and caches the valid ones."""

    __slots__ = ("_max_bytes", "known")

    def __init__(self, max_bytes: int = 65_535) -> None:
        self.known: dict[bytes, str] = {}
        self._max_bytes = max_bytes

    def name(self, raw: bytes) -> str:
        """The text of `raw`.

        Raises MalformedPacket if it is empty, too long, not UTF-8, or contains a wildcard or NUL.
        """
        name = self.known.get(raw)
        if name is None:
            name = validate_name(raw, self._max_bytes)
            if len(raw) <= KNOWN_NAME_BYTES and not raw.startswith(BRIDGE_STATE):
                if len(self.known) >= KNOWN_NAMES:
                    self.known.clear()
                self.known[raw] = name
        return name


def validate_name(raw: bytes, max_bytes: int = 65_535) -> str:
    """The text of a topic name to publish to (4.7.1, 4.7.3). Raises MalformedPacket."""
    if not raw:
        raise MalformedPacket("bad_topic", "an empty MQTT topic")
    if len(raw) > max_bytes:
        raise MalformedPacket("bad_topic", f"an MQTT topic of {len(raw)} bytes; {max_bytes} are allowed")
    if b"+" in raw or b"#" in raw:  # 3.3.2.1; both are ASCII, whose bytes occur nowhere else in UTF-8
        raise MalformedPacket("bad_topic", f"the MQTT topic {raw[:80]!r} to publish to holds a wildcard")
    return decode_text(raw)
