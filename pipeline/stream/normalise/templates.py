"""Which MQTT topics a template matches, and the dimensions that it reads from their levels.

A template is an MQTT topic filter (3.1.1, section 4.7) in which `{name}` matches one level and makes it a dimension.
`+` and `#` match levels without making dimensions, but the template `#` alone names the levels topic_1, topic_2, and so
on. According to section 4.7.2, a template that begins with a wildcard does not match a topic that begins with `$`. An
empty level gives no dimension. The configuration checks that a template is valid.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.stream.normalise.choosing import Chosen, chooser
from store.values.templates import EVERYTHING, is_numbered_level, names_in

TopicDimensions = tuple[tuple[str, ...], tuple[str, ...]]
"""The names of dimensions, sorted, and their values."""


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """A parsed template; `names` are its dimensions, in order."""

    text: str
    names: tuple[str, ...] = field(init=False)
    _count: int = field(init=False)  # of levels
    _is_open: bool = field(init=False)  # whether more levels may follow
    _fixed: tuple[tuple[int, str], ...] = field(init=False)  # levels with a text
    _sorted: tuple[str, ...] = field(init=False)  # names; the next chooses the levels with their values
    _chosen: Chosen = field(init=False, compare=False)

    def __post_init__(self) -> None:
        levels = self.text.split("/")
        is_open = levels[-1] == "#"  # matches its parent level too: section 4.7.1.2
        if is_open:
            levels.pop()
        named = sorted((level[1:-1], at) for at, level in enumerate(levels) if level.startswith("{"))
        fixed = tuple((at, level) for at, level in enumerate(levels) if level != "+" and not level.startswith("{"))
        object.__setattr__(self, "names", names_in(self.text))
        object.__setattr__(self, "_count", len(levels))
        object.__setattr__(self, "_is_open", is_open)
        object.__setattr__(self, "_fixed", fixed)
        object.__setattr__(self, "_sorted", tuple(name for name, _ in named))
        object.__setattr__(self, "_chosen", chooser(at for _, at in named))

    def match(self, mqtt_topic: str) -> TopicDimensions | None:
        """The dimensions of `mqtt_topic`, or None if this template does not match it."""
        if mqtt_topic.startswith("$") and self.text[:1] in ("#", "+", "{"):
            return None
        levels = mqtt_topic.split("/")
        if self.text == EVERYTHING:
            return _given({f"topic_{number}": level for number, level in enumerate(levels, start=1)})
        if len(levels) != self._count and not (self._is_open and len(levels) > self._count):
            return None
        for at, text in self._fixed:
            if levels[at] != text:
                return None
        values = self._chosen(levels)
        return (self._sorted, values) if "" not in values else _given(dict(zip(self._sorted, values, strict=True)))

    def filter_for(self, dimensions: Mapping[str, str]) -> str | None:
        """An MQTT topic filter for the topics that give these dimensions; None if they say nothing of them.

        It has `+` for a level that they do not tell.
        """
        if self.text == EVERYTHING:
            numbered = (dimensions.get(f"topic_{number}") for number in itertools.count(1))
            return "/".join(itertools.takewhile(bool, numbered)) or None  # type: ignore[arg-type]  # texts
        levels = self.text.split("/")
        return "/".join(_level(dimensions.get(level[1:-1])) if level.startswith("{") else level for level in levels)

    def is_dimension(self, name: str) -> bool:
        """Whether an MQTT topic that the template matches may have a dimension with this name."""
        return name in self.names or (self.text == EVERYTHING and is_numbered_level(name))


def _level(value: str | None) -> str:
    return "+" if not value or set(value) & set("/+#") else value


def _given(levels: dict[str, str]) -> TopicDimensions:
    """The dimensions of the levels that are not empty."""
    names = tuple(sorted(name for name, level in levels.items() if level))
    return names, tuple(levels[name] for name in names)
