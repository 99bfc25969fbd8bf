"""YAML read with the line of everything in it, so that each complaint says `file:line`.

Scalars are taken as written: a dimension value `007` or `on` stays that text, and a number is what the field that needs
one reads as a number (YAML 1.1 would make `on` a truth and `1e3` a text). Complaints are collected, never raised: an
operator gets all of them at once. A field that is wrong reads as None.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import yaml

from rules.errors import Problem
from store.values.durations import parse_duration

_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.?(?:inf|infinity|nan)", re.IGNORECASE)
_NULL = "tag:yaml.org,2002:null"
LONGEST_DURATION = timedelta(days=3650)  # beyond it a duration is a slip of the pen


@dataclass(slots=True)
class Problems:
    """The complaints about one file so far."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def add(self, node: yaml.Node, message: str) -> None:
        """Complain about `node`."""
        self.found.append(Problem(self.file, node.start_mark.line + 1, message))


def nearest(name: str, valid: Collection[str]) -> str:
    """`; did you mean x?`, or the list of what is valid if nothing is near."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else f"; valid: {', '.join(sorted(valid))}"


def compose(text: str, problems: Problems) -> yaml.Node | None:
    """The root node of the one YAML document in `text`; None, with a complaint, if there is none."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        told = ", ".join(part for part in (error.context, error.problem) if part)
        problems.found.append(Problem(problems.file, line, f"not YAML: {told}"))
        return None
    except (yaml.YAMLError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        problems.found.append(Problem(problems.file, None, f"not YAML: {what}"))
        return None
    if node is None:
        problems.found.append(Problem(problems.file, 1, "the file is empty; it needs `groups`"))
    assert node is None or isinstance(node, yaml.Node)
    return node


class Section:
    """A mapping of the file whose keys are known; `what` names it in complaints ("rule TooHot")."""

    def __init__(self, node: yaml.Node, what: str, known: Collection[str], problems: Problems) -> None:
        self.node = node
        self.what = what
        self._problems = problems
        self._values = {}
        for key, value in read_pairs(node, what, problems):
            self._values[key.value] = value
            if key.value not in known:
                problems.add(key, f"{what} has the unknown key `{key.value}`{nearest(key.value, known)}")

    @property
    def is_mapping(self) -> bool:
        """Whether there is a mapping at all; if not, that is the one complaint about it."""
        return isinstance(self.node, yaml.MappingNode)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def value(self, key: str) -> yaml.Node | None:
        """The node under `key`, None if there is none."""
        return self._values.get(key)

    def required(self, key: str) -> yaml.Node | None:
        """The node under `key`; a complaint if there is none."""
        node = self._values.get(key)
        if node is None and self.is_mapping:
            self._problems.add(self.node, f"{self.what} lacks `{key}`")
        return node

    def text(self, key: str) -> str | None:
        """The non-empty text that must stand under `key`."""
        node = self.required(key)
        return None if node is None else read_text(node, f"`{key}` of {self.what}", self._problems)

    def number(self, key: str) -> float | None:
        """The finite number under `key`; None if there is none."""
        node = self._values.get(key)
        return None if node is None else read_number(node, f"`{key}` of {self.what}", self._problems)

    def duration(self, key: str) -> timedelta | None:
        """The duration under `key`; None if there is none."""
        node = self._values.get(key)
        if node is None:
            return None
        text = read_text(node, f"`{key}` of {self.what}", self._problems)
        try:
            return None if text is None else parse_duration(text, longest=LONGEST_DURATION, may_be_zero=True)
        except ValueError as error:
            self._problems.add(node, f"`{key}` of {self.what}: {error}")
            return None


def read_pairs(node: yaml.Node, what: str, problems: Problems) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """The keys and values of a mapping in order; a key that stands twice keeps its first value."""
    if not isinstance(node, yaml.MappingNode):
        problems.add(node, f"{what} must be a mapping, is {_shown(node)}")
        return []
    pairs: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
    for key, value in node.value:
        name = read_text(key, f"a key of {what}", problems)
        if name is not None and name in pairs:
            problems.add(key, f"{what} has the key `{name}` twice")
        elif name is not None:
            pairs[name] = (key, value)
    return list(pairs.values())


def read_items(node: yaml.Node | None, what: str, problems: Problems) -> Sequence[yaml.Node]:
    """The items of a list that must have some."""
    if node is None:
        return ()
    if not isinstance(node, yaml.SequenceNode):
        problems.add(node, f"{what} must be a list, is {_shown(node)}")
        return ()
    if not node.value:
        problems.add(node, f"{what} must not be empty")
    return tuple(node.value)


def read_text(node: yaml.Node, what: str, problems: Problems) -> str | None:
    """The text of a scalar, as written; it must not be empty."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL or not node.value.strip():
        problems.add(node, f"{what} must be a text, is {_shown(node)}")
        return None
    return str(node.value)


def read_number(node: yaml.Node, what: str, problems: Problems) -> float | None:
    """The finite number of an unquoted scalar."""
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if isinstance(node, yaml.ScalarNode) and node.style is not None and _NUMBER.fullmatch(text):
        problems.add(node, f"{what} must be a number without quotes, is {_shown(node)}")
        return None
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    allowed = "a finite number" if _NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text) else "a number"
    problems.add(node, f"{what} must be {allowed}, is {_shown(node)}")
    return None


def _shown(node: yaml.Node) -> str:
    """How a complaint shows what stands in the file."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if node.tag == _NULL or not node.value:
        return "empty"
    return repr(node.value) if len(node.value) <= 60 else repr(node.value[:60]) + "…"
