"""State messages of a broker's bridge: Mosquitto's `notifications`, on unless its configuration disables them.

When it connects, it publishes `1`, retained, to `$SYS/broker/connection/<name>/state`, and its will is `0`. That is not
a reading. Devices do not publish below `$SYS` (4.7.2), so no other message is confused with it.
"""

from __future__ import annotations

from pipeline.gateway.mqtt.topics import BRIDGE_STATE

_HEAD, _TAIL = BRIDGE_STATE.decode(), "/state"
_STATES = {b"1": True, b"0": False}


def bridge_state(mqtt_topic: str, payload: bytes) -> tuple[str, bool] | None:
    """The bridge's name, and whether it is connected; None for every other message."""
    if not mqtt_topic.startswith(_HEAD) or not mqtt_topic.endswith(_TAIL) or payload not in _STATES:
        return None
    return mqtt_topic[len(_HEAD) : -len(_TAIL)], _STATES[payload]
