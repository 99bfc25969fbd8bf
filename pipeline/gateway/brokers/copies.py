"""Which copy of a message is taken in where several of our filters match it, as `a/+` and `+/b` do `a/b`.

A broker may send one copy for each (MQTT 5, 3.3.4): Mosquitto does. Each filter is subscribed to with an identifier,
and each copy says which filters it is for; it is taken in if the first of ours that match is among them. That needs no
memory, so a copy that is sent again is judged as it was before, and the members of a group agree.

Nothing is lost for it: an identifier stands for a filter among exactly these filters, so a copy from before a change of
the configuration has one that is not known, and is taken in; and a filter that the broker refused counts for nothing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence

from pipeline.base.mqtt_filters import matches

_MOST = 0x0FFF_FFFF  # 3.8.2.1.2


class Copies:
    """Of one session with these filters, which are not shared ones; `granted` are those the broker sends for."""

    def __init__(self, filters: Sequence[str]) -> None:
        self._filters = sorted(filters)
        self.identifiers: Mapping[str, int] = {each: _identifier(each, self._filters) for each in self._filters}
        self._known = set(self.identifiers.values())
        self.granted: Collection[str] = frozenset()

    def is_ours(self, mqtt_topic: str, identifiers: Sequence[int]) -> bool:
        """Whether the copy with these identifiers is the one that is taken in."""
        if not self._known.intersection(identifiers):
            return True
        for each in self._filters:
            if each in self.granted and matches(each, mqtt_topic):
                return self.identifiers[each] in identifiers
        return True


def _identifier(topic_filter: str, among: Sequence[str]) -> int:
    return 1 + zlib.crc32(json.dumps([topic_filter, *among]).encode()) % _MOST
