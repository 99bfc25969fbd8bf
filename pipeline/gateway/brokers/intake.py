"""What becomes of the PUBLISHes from a broker that the bulk path left alone. Decides, and does nothing about it.

Left alone are: an MQTT topic not seen before, properties (MQTT 5), a body of 16 KiB and more, QoS 2, an empty payload,
and a retained message unless all of those are taken. A broker has let a message through, so it is kept whatever it is:
what no table could hold becomes a dead letter, and nothing is sent again and again.
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
    """What becomes of a message; of all but the first a name of what counts it."""

    TAKEN = "taken"
    COPY = "copy"  # another copy of it is taken in
    CLEARED = "cleared"  # it is empty: it clears a retained message
    RETAINED = "retained"  # it was retained, and is no news


class Judge:
    """Of one session."""

    def __init__(self, retained: Retained, seen: Seen | None, copies: Copies | None, names: TopicNames) -> None:
        self.seen = seen
        self.copies = copies
        self._retained = retained
        self._names = names

    def topic_of(self, parts: Parts) -> str:
        """The MQTT topic; one that is none, as text that shows its bytes. Raises MalformedPacket if there is none."""
        if not parts.raw_topic:
            raise MalformedPacket("bad_topic", "a PUBLISH without an MQTT topic; an alias for one was not allowed")
        try:
            return self._names.name(parts.raw_topic)
        except MalformedPacket:
            return parts.shown_topic

    def fate_of(self, mqtt_topic: str, parts: Parts) -> Fate:
        """What becomes of this message. An empty one clears: a subscriber is not told whether it had RETAIN."""
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
