"""The state of QoS 2 of one connection (4.3.3): packet identifiers from their PUBLISH to their PUBREL.

A PUBREC has the meaning that a PUBACK has with QoS 1: it is sent when the message is in the log. A PUBLISH with a held
identifier is a repeat of the same message, whatever its content, and is not stored twice; it gets a PUBREC, too, after
those of all messages before it. If the PUBREL is faster, that PUBREC is left out, because the client would take it for
that of the next message with this identifier, which may not be in the log. Sessions, and so identifiers, end with their
connection: a message that a client sends again on the next one is like any other, so delivery is "at least once" if the
connection breaks between PUBLISH and PUBREC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.encode import pubrecs


class Receipts:
    """The stage's `Publisher` for messages of QoS 2. `send` sends bytes, and returns whether the connection exists."""

    __slots__ = ("_held", "_obsolete", "_repeats", "_send", "_waiting")
    qos = 2

    def __init__(self, send: Callable[[bytes], bool]) -> None:
        self._send = send
        self._held: set[bytes] = set()
        self._waiting: set[bytes] = set()  # held, but not in the log yet
        self._repeats: Counter[bytes] = Counter()  # PUBRECs of repeats that are still to be sent …
        self._obsolete: Counter[bytes] = Counter()  # … and those that come too late

    def hold(self, packet_id: bytes) -> bool:
        """A PUBLISH arrived; returns whether it is a new message."""
        if packet_id in self._held:
            return False
        self._held.add(packet_id)
        self._waiting.add(packet_id)
        return True

    def repeat(self, packet_id: bytes) -> bool:
        """A held PUBLISH arrived again; returns whether it gets a PUBREC of its own, because the first one was sent."""
        if packet_id in self._waiting:
            return False
        self._repeats[packet_id] += 1
        return True

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        """Send the PUBRECs of these durable messages, and of repeats."""
        if self._repeats or self._obsolete:
            packet_ids = [packet_id for packet_id in packet_ids if self._is_due(packet_id)]
        self._waiting.difference_update(packet_ids)
        return len(packet_ids) if packet_ids and self._send(pubrecs(packet_ids)) else 0

    def _is_due(self, packet_id: bytes) -> bool:
        """Whether the next PUBREC with this identifier is to be sent. They come in the order of their PUBLISHes."""
        is_obsolete = packet_id in self._obsolete
        counts = self._obsolete if is_obsolete else self._repeats
        counts[packet_id] -= 1
        if counts[packet_id] <= 0:
            del counts[packet_id]
        return not is_obsolete

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
        if packet_id in self._repeats:
            self._obsolete[packet_id] += self._repeats.pop(packet_id)
        return True
