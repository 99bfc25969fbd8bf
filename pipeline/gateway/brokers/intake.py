"""Decides about the PUBLISHes from a broker that the bulk path skips. Has no side effects.

It skips: a new MQTT topic, properties (MQTT 5), a body of 16 KiB or more, QoS 2, an empty payload, and a retained
message unless all of those are accepted. The broker has accepted the message, so it is always kept: one that cannot
become a record becomes a dead letter, and nothing is sent again and again.
"""

from __future__ import annotations

import enum

from pipeline.base.errors import MalformedPacket
from pipeline.config.brokers import Retained
from pipeline.gateway.brokers.copies import Copies
from pipeline.gateway.brokers.seen import Seen
from pipeline.gateway.mqtt.parts import Parts
from pipeline.gateway.mqtt.topics import TopicNames


class Fate(enum.Enum):
    """What happens to a message; the values, except the first, are labels of a metric."""

    TAKEN = "taken"
    COPY = "copy"  # another copy of it is accepted
    CLEARED = "cleared"  # it is empty: it clears a retained message
    RETAINED = "retained"  # it was retained, and is not new


class Judge:
    """Judges the messages of one session."""

    def __init__(self, retained: Retained, seen: Seen | None, copies: Copies | None, names: TopicNames) -> None:
        self.seen = seen
        self.copies = copies
        self._retained = retained
        self._names = names

    def topic_of(self, parts: Parts) -> str:
        """The MQTT topic; an invalid one as text that shows its bytes. Raises MalformedPacket if there is none."""
        if not parts.raw_topic:
            raise MalformedPacket("bad_topic", "a PUBLISH without an MQTT topic; an alias for one was not allowed")
        try:
            return self._names.name(parts.raw_topic)
        except MalformedPacket:
            return parts.shown_topic

    def fate_of(self, mqtt_topic: str, parts: Parts) -> Fate:
        """What happens to this message.

        An empty one clears a retained one: a subscriber does not learn whether it had RETAIN.
        """
        if self.copies is not None and not self.copies.is_ours(mqtt_topic, parts.identifiers):
            return Fate.COPY
        if not parts.payload_bytes:
            if self.seen is not None:
                self.seen.forget(mqtt_topic)
            return Fate.CLEARED
        if parts.is_retained and self._retained == "ignore":
            return Fate.RETAINED
        if self.seen is not None:
            if parts.is_retained and self.seen.has(mqtt_topic, parts.payload):
                return Fate.RETAINED
            self.seen.note([mqtt_topic], [parts.payload])
        return Fate.TAKEN
