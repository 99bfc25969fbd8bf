"""The PUBLISHes of one connection that the bulk path skips: new names, aliases, QoS 2, and everything unusual.

No message of a device may block its other messages. So a message that cannot be a reading is acknowledged and becomes a
dead letter, if its parts can be separated; `Offenders` describes what the standard requires first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.base import metrics
from pipeline.base.errors import MalformedPacket
from pipeline.gateway.listener.receipts import Receipts
from pipeline.gateway.mqtt.aliases import TopicAliases
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.decode import Header, decode
from pipeline.gateway.mqtt.oversized import KEPT_BYTES, OversizedPublish
from pipeline.gateway.mqtt.packets import Publish
from pipeline.gateway.mqtt.parts import parts_of
from pipeline.gateway.mqtt_to_readings import Publisher
from pipeline.log.dead_letter import Reason, Rejection

if TYPE_CHECKING:
    from pipeline.gateway.listener.session import Session

AckTarget = tuple[Publisher | None, list[bytes]]  # acknowledges a message; its packet identifier, if any


class Publishes:
    """Created when a connection needs it."""

    __slots__ = ("_aliases", "_receipts", "_session", "_version")

    def __init__(self, session: Session, version: Version) -> None:
        self._session = session
        self._version = version
        self._aliases: TopicAliases | None = None  # created on first use, like the next one
        self._receipts: Receipts | None = None

    def take(self, data: bytes, found: Header) -> None:
        """Process the complete PUBLISH at `found`. Raises MalformedPacket if it ends the connection."""
        try:
            publish = self._read(data, found)
        except MalformedPacket as error:
            self._take_bad(data, found, error)
            return
        target = self._ack_target(publish.qos, publish.packet_id.to_bytes(2, "big"))
        if target is None:
            return
        gateway = self._session.gateway
        if not gateway.is_notice(publish.mqtt_topic, publish.payload, is_retained=publish.is_retained):
            gateway.stage.take(self._session.account, publish.mqtt_topic, publish.payload, *target)
        elif target[0] is not None:
            gateway.stage.acknowledge_in_turn(target[0], target[1])

    def take_head(self, oversized: OversizedPublish) -> None:
        """Process the kept beginning of a too large PUBLISH. Raises MalformedPacket if it ends the connection."""
        try:
            publish = self._read(oversized.head, oversized.head_header)
        except MalformedPacket as error:
            self._take_bad(oversized.head, oversized.header, error)
            return
        target = self._ack_target(publish.qos, publish.packet_id.to_bytes(2, "big"))
        if target is None:
            return
        size_bytes = len(publish.payload) + oversized.header.stop - len(oversized.head)
        detail = (
            f"a message of {size_bytes} bytes, in a packet of {oversized.header.stop}; packets of at most "
            f"{self._session.gateway.settings.max_packet_bytes} are stored. Its first {KEPT_BYTES} bytes are kept"
        )
        self._session.gateway.warnings.warn("message too large", f"{self._session.name}: {detail}")
        rejection = Rejection(Reason.TOO_LARGE, detail, publish.payload[:KEPT_BYTES])
        self._session.gateway.stage.reject(self._session.account, publish.mqtt_topic, rejection, *target)

    def release(self, packet_id: bytes) -> bool:
        """A PUBREL arrived; returns whether its message was known. Raises MalformedPacket if it arrived too early."""
        return self._receipts is not None and self._receipts.release(packet_id)

    def _read(self, data: bytes, found: Header) -> Publish:
        """The message, with its full MQTT topic."""
        publish = decode(data, found, self._version, self._session.gateway.names)
        assert isinstance(publish, Publish)
        if publish.topic_alias is None:
            return publish
        if self._aliases is None:
            self._aliases = TopicAliases(self._session.gateway.settings.topic_alias_maximum)
        mqtt_topic = self._aliases.resolve(publish)
        return Publish(mqtt_topic, publish.payload, publish.qos, publish.packet_id, None, publish.is_retained)

    def _ack_target(self, qos: int, packet_id: bytes) -> AckTarget | None:
        """The object that acknowledges this message; None if it is a repeat whose acknowledgement is pending."""
        if qos == 0:
            return None, []
        if qos == 1:
            self._session.owe(1)
            return self._session, [packet_id]
        if self._receipts is None:
            self._receipts = Receipts(self._session.send_if_connected)
        if self._receipts.hold(packet_id):
            self._session.owe(1)  # until the PUBREL
            return self._receipts, [packet_id]
        metrics.messages_repeated.inc()
        if self._receipts.repeat(packet_id):
            self._session.gateway.stage.acknowledge_in_turn(self._receipts, [packet_id])
        return None

    def _take_bad(self, data: bytes, found: Header, error: MalformedPacket) -> None:
        """Make a forbidden PUBLISH a dead letter; acknowledge it if the client's connection was ended for one before.

        Otherwise raises `error`; raises MalformedPacket if the packet identifier cannot be found.
        """
        session, gateway = self._session, self._session.gateway
        parts = parts_of(data, found, is_v5=self._version is Version.V5)
        target = self._ack_target(parts.qos, parts.packet_id)
        if target is None:
            return
        is_forgiven = gateway.offenders.offends(session.account, session.known_as)
        is_cut = parts.payload_bytes > len(parts.payload)
        payload = parts.payload[:KEPT_BYTES] if is_cut else parts.payload
        rejection = Rejection(Reason.BAD_PUBLISH, f"{error.reason}: {error}", payload)
        mqtt_topic = parts.shown_topic[: gateway.settings.max_topic_bytes]
        gateway.stage.reject(session.account, mqtt_topic, rejection, *(target if is_forgiven else (None, [])))
        if not is_forgiven:
            raise error
        metrics.packets_malformed.labels(error.reason).inc()
        gateway.warnings.warn(f"bad packet, {error.reason}", f"{session.name}, again: {error}; it is a dead letter")
