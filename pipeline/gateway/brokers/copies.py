"""Which copy of a message is accepted if several of our filters match it, as `a/+` and `+/b` match `a/b`.

A broker may send one copy for each filter (MQTT 5, 3.3.4): Mosquitto does. Each filter is subscribed with an
identifier, and each copy has the identifiers of its filters; it is accepted if the first of our matching filters is
among them. This needs no state, so a copy that is sent again is judged in the same way, and the members of a group
agree.

No message is lost by this: an identifier stands for a filter within exactly this list of filters, so a copy from before
a change of the configuration has an unknown one, and is accepted; and a filter that the broker refused is ignored.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence

from pipeline.base.mqtt_filters import matches

_MOST = 0x0FFF_FFFF  # 3.8.2.1.2


class Copies:
    """The rule for a session with these filters, which are not shared; `granted` are those the broker accepted."""

    def __init__(self, filters: Sequence[str]) -> None:
        self._filters = sorted(filters)
        self.identifiers: Mapping[str, int] = {each: _identifier(each, self._filters) for each in self._filters}
        self._known = set(self.identifiers.values())
        self.granted: Collection[str] = frozenset()

    def is_ours(self, mqtt_topic: str, identifiers: Sequence[int]) -> bool:
        """Whether the copy with these identifiers is the one to accept."""
        if not self._known.intersection(identifiers):
            return True
        for each in self._filters:
            if each in self.granted and matches(each, mqtt_topic):
                return self.identifiers[each] in identifiers
        return True


def _identifier(topic_filter: str, among: Sequence[str]) -> int:
    return 1 + zlib.crc32(json.dumps([topic_filter, *among]).encode()) % _MOST
