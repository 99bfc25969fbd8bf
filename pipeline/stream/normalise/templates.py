"""Which MQTT topics a template takes, and the dimensions it reads from their levels.

A template is an MQTT topic filter (3.1.1, section 4.7) in which `{name}` takes one level and makes it a dimension.
`+` and `#` take levels without making dimensions, except that the template `#` alone calls the levels topic_1, topic_2,
and so on. As section 4.7.2 has it, a template that begins with a wildcard takes no topic that begins with `$`. An empty
level gives no dimension. That a template is well formed is checked by the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from store.values.templates import EVERYTHING, is_numbered_level, names_in

TopicDimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """A parsed template; `names` are the dimensions it names, in order."""

    text: str
    names: tuple[str, ...] = field(init=False)
    _levels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", names_in(self.text))
        object.__setattr__(self, "_levels", tuple(self.text.split("/")))

    def match(self, mqtt_topic: str) -> TopicDimensions | None:
        """The dimensions that `mqtt_topic` gives, or None if this template does not take it."""
        if mqtt_topic.startswith("$") and self._levels[0][0:1] in ("#", "+", "{"):
            return None
        levels = mqtt_topic.split("/")
        if self.text == EVERYTHING:
            return tuple((f"topic_{number}", level) for number, level in enumerate(levels, start=1) if level)
        wanted = self._levels
        if wanted[-1] == "#":
            wanted = wanted[:-1]  # takes its parent level too: section 4.7.1.2
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
        """Whether a dimension of this name may come from a topic that the template takes."""
        return name in self.names or (self.text == EVERYTHING and is_numbered_level(name))
