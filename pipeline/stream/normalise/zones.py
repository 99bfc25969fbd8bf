"""The name of the zone that a series belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from store.values.templates import fill


def zone_of(template: str | None, dimensions: Mapping[str, str], mqtt_topic: str) -> str | None:
    """The zone: `template` with the values of its dimensions; None if one of them is absent.

    Without a template, the MQTT topic without its last level, or the whole topic if it has only one level.
    """
    if template is None:
        parent, _, last = mqtt_topic.rpartition("/")
        return parent or last or None
    return fill(template, dimensions)
