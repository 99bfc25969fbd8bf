"""Reads YAML as values with their lines, so that errors in files that people write are reported as `file:line`.

The input is text; the output is values and the problems of the text. Only this module uses the YAML library. It rejects
what YAML accepts silently: a repeated key, a key that is not text, and an alias to a node that contains it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml
from yaml.composer import Composer

KeyPath: TypeAlias = tuple[str | int, ...]
"""The path of a value: ("tables", 0, "name") is the name of the first table."""

MOST_VALUES = 100_000  # a few lines of aliases to aliases make millions

Node: TypeAlias = yaml.Node
MappingNode: TypeAlias = yaml.MappingNode
SequenceNode: TypeAlias = yaml.SequenceNode
ScalarNode: TypeAlias = yaml.ScalarNode


def alone(key: str, value: Node) -> MappingNode:
    """The mapping with this key only."""
    name = ScalarNode("tag:yaml.org,2002:str", key, value.start_mark, value.end_mark)
    return MappingNode("tag:yaml.org,2002:map", [(name, value)], value.start_mark, value.end_mark)


class NotYaml(ValueError):  # named after what the text is
    """The text is not one YAML document; `line` is None if the message contains it, or it is unknown."""

    def __init__(self, line: int | None, why: str) -> None:
        super().__init__(f"not YAML: {why}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with the value at `path`, relative to the section that found it."""

    path: KeyPath
    message: str


@dataclass(slots=True)
class Document:
    """The content of a text.

    values    the tree, as far as it could be read; None if there is none
    lines     the line of each value, by its path; the line of its key if it has one
    problems  the problems of the document
    """

    values: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of the value at `path`, or of the nearest enclosing value; None if there is neither."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None


class _Loader(Composer, yaml.CSafeLoader):
    """Reads with libyaml, ten times as fast as Python does, and makes the nodes in Python: libyaml's own way of making
    them overflows the stack of C where a text is nested too deeply.
    """

    def __init__(self, text: str) -> None:
        Composer.__init__(self)
        yaml.CSafeLoader.__init__(self, text)


def compose(text: str) -> Node | None:
    """The root node of the one document in `text`; None if the text is empty. Raises NotYaml."""
    try:
        node: Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text) from error
    except yaml.YAMLError as error:  # a character that is not allowed in YAML; the message contains the position
        raise NotYaml(None, " ".join(str(error).split())) from error
    except UnicodeEncodeError as error:
        raise NotYaml(None, f"the character {error.object[error.start]!a} is half of one") from error
    except RecursionError:
        raise NotYaml(None, "nested too deeply") from None
    return node


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> NotYaml:
    mark = error.problem_mark or error.context_mark
    told = ", ".join(part for part in (error.context, error.problem) if part)
    if mark is None:
        return NotYaml(None, told)
    lines = text.splitlines()
    if mark.line < len(lines) and mark.column < len(lines[mark.line]):  # libyaml does not say which character
        told = told.replace("found character that", f"found character {lines[mark.line][mark.column]!r} that")
    return NotYaml(min(mark.line + 1, len(lines)), told)  # without a line break at its end it has no other line


def line_of(node: Node) -> int:
    """The line of the beginning of `node`, counted from 1."""
    return node.start_mark.line + 1


def inline(value: object) -> str:
    """`value` as YAML on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").rstrip("\n")


def read(text: str, fill_in: Callable[[str, KeyPath], str | None] | None = None) -> Document:
    """The document in `text`; `fill_in` may replace the text of a scalar (None: no change). Raises NotYaml."""
    document = Document()
    root = compose(text)
    if root is not None:
        try:
            document.values = _Reader(document, fill_in).read(root, ())
        except yaml.MarkedYAMLError as error:  # a merge key that merges no mapping, a tag that is unknown
            raise _not_yaml(error, text) from error
    return document


class _Reader:
    """Traverses the nodes of a document once."""

    def __init__(self, document: Document, fill_in: Callable[[str, KeyPath], str | None] | None) -> None:
        self._document = document
        self._fill_in = fill_in
        self._loader = yaml.SafeLoader("")
        self._values = 0
        self._open: set[int] = set()  # nodes that are being read: an alias to one of them would be infinite

    def read(self, node: Node, path: KeyPath) -> object:
        self._values += 1
        if self._values > MOST_VALUES:
            raise NotYaml(line_of(node), f"its aliases make more than {MOST_VALUES:,} values of it")
        self._document.lines.setdefault(path, line_of(node))
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._document.problems.append(Problem(path, "an alias to a section that it stands in"))
            return None
        self._open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, MappingNode) else self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        lines, problems = self._document.lines, self._document.problems
        self._loader.flatten_mapping(node)
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._constructed(key_node, path)
            here = (*path, str(key))
            first, lines[here] = lines.get(here), line_of(key_node)
            if not isinstance(key, str):
                problems.append(Problem(here, f"the key {key!r} is not text; put it in quotes"))
            elif key in found:
                problems.append(Problem(here, f"written twice, first in line {first}"))
            else:
                found[key] = self.read(value_node, here)
        return found

    def _sequence(self, node: Node, path: KeyPath) -> list[object]:
        return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Hashable:
        filled_in = None if self._fill_in is None else self._fill_in(node.value, path)
        if filled_in is not None:
            return filled_in
        return self._constructed(node, path)

    def _constructed(self, node: Node, path: KeyPath) -> Hashable:
        try:
            value: Hashable = self._loader.construct_object(node, deep=True)
        except ValueError as error:  # it only looks like a date, such as 2026-13-45
            self._document.problems.append(Problem(path, f"{node.value!r}: {error}; put text in quotes"))
            return None
        except (LookupError, AttributeError):  # PyYAML's, for `!!bool x` and the like
            kind = node.tag.rpartition(":")[2]
            self._document.problems.append(Problem(path, f"{node.value!r} is no {kind}; put text in quotes"))
            return None
        return value
