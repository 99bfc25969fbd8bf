"""Topic aliases of one connection (5: 3.3.2.3.4): a number stands for the topic that it was last sent with."""

from __future__ import annotations

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.packets import Publish


class TopicAliases:
    """What the aliases of 1 to `maximum` stand for."""

    __slots__ = ("_maximum", "_names")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._names: dict[int, str] = {}

    def resolve(self, publish: Publish) -> str:
        """The topic of a message with an alias; if it brings its name too, the alias stands for that from now on.

        Raises MalformedPacket for an alias out of range, and for one that stands for nothing.
        """
        alias = publish.topic_alias or 0
        if not 0 < alias <= self._maximum:
            raise MalformedPacket("bad_topic_alias", f"topic alias {alias}; 1 to {self._maximum} are allowed")
        if publish.mqtt_topic:
            self._names[alias] = publish.mqtt_topic
        elif alias not in self._names:
            raise MalformedPacket("protocol_error", f"topic alias {alias} was never set")
        return self._names[alias]
