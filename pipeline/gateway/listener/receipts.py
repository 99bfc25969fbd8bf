"""What one connection holds of QoS 2 (4.3.3): packet identifiers from their PUBLISH to their PUBREL.

PUBREC makes a message ours, as PUBACK does with QoS 1: it leaves once the log has it. A PUBLISH with an identifier that
is held is the same message sent again, whatever it says, and is not taken in twice. Sessions end with their connection,
and so do the identifiers: what a client sends again on the next one is a message like any other, so from device to log
it is "at least once" where the connection breaks between PUBLISH and PUBREC.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.encode import pubrecs


class Receipts:
    """The stage's `Publisher` for messages of QoS 2. `send` sends bytes, and says whether the connection stands."""

    __slots__ = ("_held", "_send", "_waiting")
    qos = 2

    def __init__(self, send: Callable[[bytes], bool]) -> None:
        self._send = send
        self._held: set[bytes] = set()
        self._waiting: set[bytes] = set()  # held, and not in the log yet

    def hold(self, packet_id: bytes) -> bool:
        """A PUBLISH has come. Whether it is a new message."""
        if packet_id in self._held:
            return False
        self._held.add(packet_id)
        self._waiting.add(packet_id)
        return True

    def is_waiting(self, packet_id: bytes) -> bool:
        """Whether its PUBREC is still to come."""
        return packet_id in self._waiting

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        """These messages are durable: send their PUBRECs."""
        self._waiting.difference_update(packet_ids)
        return len(packet_ids) if self._send(pubrecs(packet_ids)) else 0

    def release(self, packet_id: bytes) -> bool:
        """A PUBREL has come. Whether the message was held. Raises MalformedPacket if it was not acknowledged yet."""
        if packet_id in self._waiting:
            raise MalformedPacket(
                "protocol_error", f"PUBREL of message {int.from_bytes(packet_id, 'big')} before its PUBREC"
            )
        if packet_id not in self._held:
            return False
        self._held.discard(packet_id)
        return True
