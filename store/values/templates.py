"""Templates: text with placeholders `{name}` that values replace; `{{` and `}}` are braces. Pure.

They define the zone of a record (`{greenhouse}/{zone}`), the levels of an MQTT topic that are dimensions (`{sensor}`),
the topic of a simulated device, and the text of an alert. Each of these uses decides which names are allowed, and
whether a value may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

EVERYTHING = "#"
"""The topic template that matches every MQTT topic, and names its levels topic_1, topic_2 and so on."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NUMBERED_LEVEL = re.compile(r"topic_[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A placeholder `{name}`, and its column (from 1)."""

    name: str
    column: int


@lru_cache(maxsize=1024)
def parse(template: str) -> tuple[str | Place, ...]:
    """The texts and placeholders of a template in order. Raises ValueError with the fault and its column."""
    parts: list[str | Place] = []
    end = 0
    for match in _TOKEN.finditer(template):
        parts.append(template[end : match.start()])
        end = match.end()
        token, name, column = match[0], match[1], match.start() + 1
        if token in ("{{", "}}"):
            parts.append(token[0])
        elif name is None:
            raise ValueError(f"has a lone {token} at column {column} (write {token * 2} for a brace)")
        elif not name.strip():
            raise ValueError(f"has an empty placeholder at column {column}")
        else:
            parts.append(Place(name, column))
    parts.append(template[end:])
    return tuple(part for part in parts if part != "")


def names_in(template: str) -> tuple[str, ...]:
    """The names in a template, in order. Raises ValueError like `parse`."""
    return tuple(part.name for part in parse(template) if isinstance(part, Place))


def fill(template: str, values: Mapping[str, str]) -> str | None:
    """The text with all placeholders filled in; None if a value is missing. Raises ValueError like `parse`."""
    found = [part if isinstance(part, str) else values.get(part.name) for part in parse(template)]
    return None if None in found else "".join(part for part in found if part is not None)


def level_name(level: str) -> str | None:
    """The name, if a level of a topic template is exactly one placeholder; else None."""
    match = _TOKEN.fullmatch(level)
    return None if match is None else match[1]


def is_numbered_level(name: str) -> bool:
    """Whether `name` is one of topic_1, topic_2, … of `EVERYTHING`."""
    return _NUMBERED_LEVEL.fullmatch(name) is not None
