"""The name of the zone that a series belongs to."""

from __future__ import annotations

from functools import lru_cache

from pipeline.stream.normalise.choosing import Chosen, chooser
from store.values.templates import Place, parse


def zone_of(template: str | None, names: tuple[str, ...], values: tuple[str, ...], mqtt_topic: str) -> str | None:
    """The zone: `template` with the values of its dimensions, given by `names`; None if one of them is absent.

    Without a template, the MQTT topic without its last level, or the whole topic if it has only one level.
    """
    if template is None:
        parent, _, last = mqtt_topic.rpartition("/")
        return parent or last or None
    prepared = _prepared(template, names)
    if prepared is None:
        return None
    text, chosen = prepared
    return text % chosen(values)


@lru_cache(maxsize=1024)
def _prepared(template: str, names: tuple[str, ...]) -> tuple[str, Chosen] | None:
    """The template as a printf format, and what chooses its values from those of `names`; None if one is absent."""
    parts = parse(template)
    wanted = [part.name for part in parts if isinstance(part, Place)]
    if not set(wanted) <= set(names):
        return None
    text = "".join("%s" if isinstance(part, Place) else part.replace("%", "%%") for part in parts)
    return text, chooser(names.index(name) for name in wanted)
