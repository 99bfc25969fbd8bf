"""Keys of rule files as declared values: one table is what a mapping may hold, how it is read, and its JSON schema.

A *form* is how a value is written. `Section` reads a mapping by the table of its keys; what is wrong becomes a problem,
and its value is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.definition.bounds import UNBOUNDED, Bounds
from rules.definition.document import Problems, meant, read_duration, read_number, read_pairs, read_parsed, read_text
from store.values.durations import PATTERN
from store.values.time_zones import zone_called
from store.values.yaml_text import MappingNode, Node, ScalarNode, alone


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written.

    read    the value of a node, whose name in problems is given; None, with a problem, if it is not one
    schema  the JSON schema of the same
    """

    read: Callable[[Node, str, Problems], Any]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a mapping. `about` is for the reader of a schema."""

    name: str
    form: Form
    about: str
    is_needed: bool = False


class Section:
    """A mapping of the file, read by its keys; `what` is its name in problems ("rule TooHot")."""

    def __init__(self, node: Node, what: str, keys: Sequence[Key], problems: Problems) -> None:
        self.node = node
        self.what = what
        self._problems = problems
        self._nodes: dict[str, Node] = {}
        self._values: dict[str, Any] = {}
        self._before = len(problems.found)
        known = {key.name: key for key in keys}
        for name, value in read_pairs(node, what, problems):
            self._nodes[name.value] = value
            key = known.get(name.value)
            if key is None:
                problems.add(name, f"{what} has the unknown key `{name.value}`{meant(name.value, known)}")
                continue
            read = key.form.read(value, f"`{key.name}` of {what}", problems)
            if read is not None:
                self._values[key.name] = read
        for key in keys:
            if key.is_needed and key.name not in self._nodes and self.is_mapping:
                problems.add(node, f"{what} lacks `{key.name}`")

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping at all; if not, that is its only problem."""
        return isinstance(self.node, MappingNode)

    def __contains__(self, key: str) -> bool:
        return key in self._nodes

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`; `default` if there is none, or none that could be read."""
        return self._values.get(key, default)

    def problem(self, message: str, at: str = "") -> None:
        """Add a problem of this section, at the value of the key `at` if there is one."""
        self._problems.add(self._nodes.get(at, self.node), message)

    @property
    def is_whole(self) -> bool:
        """Whether no problem was found since its reading began; other sections are read before or after."""
        return len(self._problems.found) == self._before


def mapping(keys: Sequence[Key], make: Callable[[Section], Any]) -> Form:
    """A mapping with these keys; `make` returns its value, or None after it added a problem."""

    def read(node: Node, what: str, problems: Problems) -> Any:
        section = Section(node, what, keys, problems)
        return make(section) if section.is_whole else None

    return Form(read, schema_of(keys))


def short_form(key: str, whole: Form) -> Form:
    """A mapping, or the value of its key alone."""

    def read(node: Node, what: str, problems: Problems) -> Any:
        return whole.read(alone(key, node) if isinstance(node, ScalarNode) else node, what, problems)

    return Form(read, {"anyOf": [whole.schema, whole.schema["properties"][key]]})


def schema_of(keys: Sequence[Key]) -> dict[str, Any]:
    """The JSON schema of a mapping with these keys."""
    return {
        "type": "object",
        "properties": {key.name: {**key.form.schema, "description": key.about} for key in keys},
        "required": [key.name for key in keys if key.is_needed],
        "additionalProperties": False,
    }


TEXT = Form(read_text, {"type": ["string", "number", "boolean"]})
NUMBER = Form(read_number, {"type": "number"})
DURATION = Form(read_duration, {"type": "string", "pattern": f"^{PATTERN}$"})


def _read_span(node: Node, what: str, problems: Problems) -> Any:
    span = read_duration(node, what, problems)
    if span is not None and not span:
        problems.add(node, f"{what} must be longer than nothing")
        return None
    return span


SPAN = Form(_read_span, DURATION.schema)
"""A duration that is longer than nothing."""


def _read_boolean(node: Node, what: str, problems: Problems) -> bool | None:
    text = read_text(node, what, problems)
    if text is not None and text not in ("true", "false"):
        problems.add(node, f"{what} must be true or false, is {text!r}")
        return None
    return None if text is None else text == "true"


BOOLEAN = Form(_read_boolean, {"type": "boolean"})


def _read_time_zone(node: Node, what: str, problems: Problems) -> str | None:
    name = read_text(node, what, problems)
    zone = None if name is None else read_parsed(node, what, problems, zone_called)
    return None if zone is None else name


TIME_ZONE = Form(_read_time_zone, {"type": "string"})
"""The name of a time zone, or an offset."""


def choice(*names: str) -> Form:
    """One of these names."""

    def read(node: Node, what: str, problems: Problems) -> str | None:
        text = read_text(node, what, problems)
        if text is not None and text not in names:
            problems.add(node, f"{what} must be {' or '.join(names)}, is {text!r}")
            return None
        return text

    return Form(read, {"enum": list(names)})


BOUND_KEYS = (
    Key("min", NUMBER, "the lowest normal value"),
    Key("max", NUMBER, "the highest normal value"),
)


def bounds_of(section: Section, default: Bounds = UNBOUNDED) -> Bounds | None:
    """The bounds in a section with `min` and `max`, at least one of which is needed; those of `default` fill in."""
    if "min" not in section and "max" not in section:
        section.problem(f"{section.what} needs `min`, `max` or both")
        return None
    bounds = Bounds(section.get("min", default.min), section.get("max", default.max))
    if bounds.min > bounds.max:
        section.problem(f"{section.what} has min {bounds.min:g} above max {bounds.max:g}")
        return None
    return bounds
