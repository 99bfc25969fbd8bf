"""A YAML file as plain values that remember their lines, with `${NAME}` filled in from the environment.

Refuses what YAML would take silently: a key written twice, and a `${NAME}` that the environment does not have. The
text `${NAME}` itself is written `$${NAME}`. Text in, values and problems out.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import yaml

from pipeline.config.problems import KeyPath, Problem

_REFERENCE = re.compile(r"\$(\$?)\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(slots=True)
class Document:
    """What a file holds.

    values       the tree, as far as it could be read
    lines        the line of each setting, by its path; that of a key where it has one
    written      the text of scalars as it stands in the file, before `${NAME}` was filled in
    problems     what is wrong with the file as a document
    """

    values: dict[str, object] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    written: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of the setting at `path`, else of the nearest section around it; None if no part of it is here."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None


def read_document(text: str, environ: Mapping[str, str]) -> Document:
    """The document in `text`. Problems with its form are in it; never raises for them."""
    document = Document()
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is not None:
            values = _Reader(document, loader, environ).read(root, ())
            if isinstance(values, dict):
                document.values = values
            else:
                document.problems.append(Problem((), f"the file holds {_kind(values)}; it is a mapping of settings"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.lines[("",)] = mark.line + 1 if mark is not None else 1
        document.problems.append(Problem(("",), f"not YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:  # a character that no YAML may hold; the message says where
        document.problems.append(Problem((), f"not YAML: {error}"))
    finally:
        loader.dispose()
    return document


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else repr(value)


class _Reader:
    """One walk over the nodes of a document."""

    def __init__(self, document: Document, loader: yaml.SafeLoader, environ: Mapping[str, str]) -> None:
        self._document = document
        self._loader = loader
        self._environ = environ
        self._open: set[int] = set()  # nodes being read: an alias to one of them would never end

    def read(self, node: yaml.Node, path: KeyPath) -> object:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._document.problems.append(Problem(path, "an alias to a section that it stands in"))
            return None
        self._open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        self._loader.flatten_mapping(node)
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._loader.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                self._document.lines[(*path, str(key))] = line
                self._document.problems.append(
                    Problem((*path, str(key)), f"the key {key!r} is not text; put it in quotes")
                )
                continue
            here = (*path, key)
            if key in found:
                message = f"written twice, first in line {self._document.lines[here]}"
                self._document.lines[here] = line
                self._document.problems.append(Problem(here, message))
                continue
            self._document.lines[here] = line
            found[key] = self.read(value_node, here)
        return found

    def _sequence(self, node: yaml.Node, path: KeyPath) -> list[object]:
        return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Hashable:
        if "${" not in node.value:
            try:
                value: Hashable = self._loader.construct_object(node)
            except ValueError as error:  # what only looks like a date, such as 2026-13-45
                self._document.problems.append(Problem(path, f"{node.value!r}: {error}; put text in quotes"))
                return None
            return value
        self._document.written[path] = node.value
        return _REFERENCE.sub(lambda match: self._replacement(match, path), node.value)

    def _replacement(self, match: re.Match[str], path: KeyPath) -> str:
        escaped, name = match.groups()
        if escaped:
            return match.group(0)[1:]
        if not _NAME.fullmatch(name):
            self._document.problems.append(
                Problem(path, f'"{match.group(0)}" does not name a variable, as ${{NAME}} does')
            )
        elif name not in self._environ:
            message = f"${{{name}}} is not in the environment; set {name}, or write $${{{name}}} for the text itself"
            self._document.problems.append(Problem(path, message))
        return self._environ.get(name, "")
