"""Which MQTT topics a template matches, and the dimensions that it reads from their levels.

A template is an MQTT topic filter (3.1.1, section 4.7) in which `{name}` matches one level and makes it a dimension.
`+` and `#` match levels without making dimensions, but the template `#` alone names the levels topic_1, topic_2, and so
on. According to section 4.7.2, a template that begins with a wildcard does not match a topic that begins with `$`. An
empty level gives no dimension. The configuration checks that a template is valid.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from store.values.templates import EVERYTHING, is_numbered_level, names_in

TopicDimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """A parsed template; `names` are its dimensions, in order."""

    text: str
    names: tuple[str, ...] = field(init=False)
    _levels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", names_in(self.text))
        object.__setattr__(self, "_levels", tuple(self.text.split("/")))

    def match(self, mqtt_topic: str) -> TopicDimensions | None:
        """The dimensions of `mqtt_topic`, or None if this template does not match it."""
        if mqtt_topic.startswith("$") and self._levels[0][0:1] in ("#", "+", "{"):
            return None
        levels = mqtt_topic.split("/")
        if self.text == EVERYTHING:
            return tuple((f"topic_{number}", level) for number, level in enumerate(levels, start=1) if level)
        wanted = self._levels
        if wanted[-1] == "#":
            wanted = wanted[:-1]  # matches its parent level too: section 4.7.1.2
            if len(levels) < len(wanted):
                return None
        elif len(levels) != len(wanted):
            return None
        found = []
        for pattern, level in zip(wanted, levels, strict=False):
            if pattern.startswith("{"):
                if level:
                    found.append((pattern[1:-1], level))
            elif pattern not in ("+", level):
                return None
        return tuple(found)

    def is_dimension(self, name: str) -> bool:
        """Whether an MQTT topic that the template matches may have a dimension with this name."""
        return name in self.names or (self.text == EVERYTHING and is_numbered_level(name))
