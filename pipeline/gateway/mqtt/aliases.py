"""Topic aliases of one connection (5: 3.3.2.3.4): a number stands for the topic with which it was last sent."""

from __future__ import annotations

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.mqtt.packets import Publish


class TopicAliases:
    """The topics of the aliases 1 to `maximum`."""

    __slots__ = ("_maximum", "_names")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._names: dict[int, str] = {}

    def resolve(self, publish: Publish) -> str:
        """The topic of a message with an alias; if it has a topic name too, the alias stands for that from now on.

        Raises MalformedPacket for an alias that is out of range or unknown.
        """
        alias = publish.topic_alias or 0
        if not 0 < alias <= self._maximum:
            raise MalformedPacket("bad_topic_alias", f"topic alias {alias}; 1 to {self._maximum} are allowed")
        if publish.mqtt_topic:
            self._names[alias] = publish.mqtt_topic
        elif alias not in self._names:
            raise MalformedPacket("protocol_error", f"topic alias {alias} was never set")
        return self._names[alias]
