"""Templates: text with `{name}` in it, which values take the place of; `{{` and `}}` are braces. Pure.

So the zone of a record is written (`{greenhouse}/{zone}`), the level of an MQTT topic that is a dimension (`{sensor}`),
the topic of a simulated device, and what an alert says. What a name may be, and whether its value may be missing, is
the business of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

EVERYTHING = "#"
"""The topic template that takes every MQTT topic, and calls its levels topic_1, topic_2 and so on."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NUMBERED_LEVEL = re.compile(r"topic_[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Place:
    """`{name}`, and the column (from 1) where it stands."""

    name: str
    column: int


@lru_cache(maxsize=1024)
def parse(template: str) -> tuple[str | Place, ...]:
    """The texts and places of a template in order. Raises ValueError with what is wrong and the column."""
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
    """The names in a template, in order. Raises ValueError as `parse`."""
    return tuple(part.name for part in parse(template) if isinstance(part, Place))


def fill(template: str, values: Mapping[str, str]) -> str | None:
    """The text with every place filled in; None where a value is missing. Raises ValueError as `parse`."""
    found = [part if isinstance(part, str) else values.get(part.name) for part in parse(template)]
    return None if None in found else "".join(part for part in found if part is not None)


def level_name(level: str) -> str | None:
    """The name that a whole level of a topic template gives to what it takes; None where it is something else."""
    match = _TOKEN.fullmatch(level)
    return None if match is None else match[1]


def is_numbered_level(name: str) -> bool:
    """Whether `name` is one of topic_1, topic_2, … that `EVERYTHING` gives."""
    return _NUMBERED_LEVEL.fullmatch(name) is not None
