"""Reads YAML with the line of every node, so that each problem is reported as `file:line`.

Scalars are taken as written: a dimension value `007` or `on` remains that text, and a number is what the field needs
(YAML 1.1 would read `on` as a boolean and `1e3` as text). Problems are collected, never raised: an operator gets all of
them at once. An invalid field is read as None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from rules.errors import Problem
from store.values import yaml_text
from store.values.durations import parse_duration
from store.values.nearest import nearest
from store.values.yaml_text import MappingNode, Node, ScalarNode, SequenceNode, line_of

T = TypeVar("T")

_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.?(?:inf|infinity|nan)", re.IGNORECASE)
_NULL = "tag:yaml.org,2002:null"
LONGEST_DURATION = timedelta(days=3650)  # a longer duration is a typing error


@dataclass(slots=True)
class Problems:
    """The problems of one file."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def add(self, node: Node, message: str) -> None:
        """Add a problem at `node`."""
        self.found.append(Problem(self.file, line_of(node), message))


def meant(name: str, valid: Collection[str]) -> str:
    """`; did you mean x?`, or the list of valid names if none is similar."""
    near = nearest(name, valid)
    return f"; did you mean `{near}`?" if near else f"; valid: {', '.join(sorted(valid))}"


def compose(text: str, problems: Problems) -> Node | None:
    """The root node of the one YAML document in `text`; None, with a problem, if there is none."""
    try:
        node = yaml_text.compose(text)
    except yaml_text.NotYaml as error:
        problems.found.append(Problem(problems.file, error.line, str(error)))
        return None
    if node is None:
        problems.found.append(Problem(problems.file, 1, "the file is empty; it needs `groups`"))
    return node


def read_pairs(node: Node, what: str, problems: Problems) -> list[tuple[ScalarNode, Node]]:
    """The keys and values of a mapping in order; a repeated key keeps its first value."""
    if not isinstance(node, MappingNode):
        problems.add(node, f"{what} must be a mapping, is {shown(node)}")
        return []
    pairs: dict[str, tuple[ScalarNode, Node]] = {}
    for key, value in node.value:
        name = read_text(key, f"a key of {what}", problems)
        if name is not None and name in pairs:
            problems.add(key, f"{what} has the key `{name}` twice")
        elif name is not None:
            pairs[name] = (key, value)
    return list(pairs.values())


def read_items(node: Node | None, what: str, problems: Problems) -> Sequence[Node]:
    """The items of a list, which must not be empty."""
    if node is None:
        return ()
    if not isinstance(node, SequenceNode):
        problems.add(node, f"{what} must be a list, is {shown(node)}")
        return ()
    if not node.value:
        problems.add(node, f"{what} must not be empty")
    return tuple(node.value)


def read_text(node: Node, what: str, problems: Problems) -> str | None:
    """The text of a scalar, as written; it must not be empty."""
    if not isinstance(node, ScalarNode) or node.tag == _NULL or not node.value.strip():
        problems.add(node, f"{what} must be a text, is {shown(node)}")
        return None
    return str(node.value)


def read_number(node: Node, what: str, problems: Problems) -> float | None:
    """The finite number of an unquoted scalar."""
    text = str(node.value) if isinstance(node, ScalarNode) else ""
    if isinstance(node, ScalarNode) and node.style and _NUMBER.fullmatch(text):
        problems.add(node, f"{what} must be a number without quotes, is {shown(node)}")
        return None
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    allowed = "a finite number" if _NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text) else "a number"
    problems.add(node, f"{what} must be {allowed}, is {shown(node)}")
    return None


def read_parsed(
    node: Node, what: str, problems: Problems, parse: Callable[[str], T], *, wrong: str = "{what}: {error}"
) -> T | None:
    """What `parse` makes of the text of a scalar; its ValueError is a problem, with these words."""
    text = read_text(node, what, problems)
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        problems.add(node, wrong.format(what=what, error=error))
        return None


def read_duration(node: Node, what: str, problems: Problems) -> timedelta | None:
    """The duration of a scalar; it may be nothing."""
    return read_parsed(node, what, problems, partial(parse_duration, longest=LONGEST_DURATION, may_be_zero=True))


def shown(node: Node) -> str:
    """A node's text in problems."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    if node.tag == _NULL or not node.value:
        return "empty"
    return repr(node.value) if len(node.value) <= 60 else repr(node.value[:60]) + "…"
