"""The state of QoS 2 of one connection (4.3.3): packet identifiers from their PUBLISH to their PUBREL.

A PUBREC has the meaning that a PUBACK has with QoS 1: it is sent when the message is in the log. A PUBLISH with a held
identifier is a repeat of the same message, whatever its content, and is not stored twice. Sessions, and so identifiers,
end with their connection: a message that a client sends again on the next one is like any other, so delivery is "at
least once" if the connection breaks between PUBLISH and PUBREC.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.encode import pubrecs


class Receipts:
    """The stage's `Publisher` for messages of QoS 2. `send` sends bytes, and returns whether the connection exists."""

    __slots__ = ("_held", "_send", "_waiting")
    qos = 2

    def __init__(self, send: Callable[[bytes], bool]) -> None:
        self._send = send
        self._held: set[bytes] = set()
        self._waiting: set[bytes] = set()  # held, but not in the log yet

    def hold(self, packet_id: bytes) -> bool:
        """A PUBLISH arrived; returns whether it is a new message."""
        if packet_id in self._held:
            return False
        self._held.add(packet_id)
        self._waiting.add(packet_id)
        return True

    def is_waiting(self, packet_id: bytes) -> bool:
        """Whether its PUBREC has not been sent yet."""
        return packet_id in self._waiting

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        """Send the PUBRECs of these durable messages."""
        self._waiting.difference_update(packet_ids)
        return len(packet_ids) if self._send(pubrecs(packet_ids)) else 0

    def release(self, packet_id: bytes) -> bool:
        """A PUBREL arrived; returns whether the message was held.

        Raises MalformedPacket if it was not acknowledged yet.
        """
        if packet_id in self._waiting:
            raise MalformedPacket(
                "protocol_error", f"PUBREL of message {int.from_bytes(packet_id, 'big')} before its PUBREC"
            )
        if packet_id not in self._held:
            return False
        self._held.discard(packet_id)
        return True
