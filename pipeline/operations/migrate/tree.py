"""The values of a JSON or YAML file, with their lines; the short tags of CloudFormation as their long forms.

All scalars are texts, since that is what the files of AWS have, with and without quotes. JSON is read as YAML, of which
it is a part, because the lines are known then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from store.values.yaml_text import MappingNode, Node, ScalarNode, compose, line_of

MOST_NODES = 2_000_000  # a few lines of aliases to aliases make more
_NULL = "tag:yaml.org,2002:null"
_PLAIN_NAMES = {"Ref", "Condition"}


class Text(str):
    """A scalar, and its line."""

    __slots__ = ("line",)
    line: int


class Tree(dict[str, "Value"]):
    """A mapping, and its line."""

    __slots__ = ("line",)
    line: int

    def text(self, *path: str) -> str:
        """The text at a path of keys, without its line; "" if there is none."""
        value: Value = self
        for key in path:
            value = value.get(key) if isinstance(value, Tree) else None
        return str(value) if isinstance(value, Text) else ""

    def tree(self, *path: str) -> Tree:
        """The mapping at a path of keys; empty if there is none."""
        value: Value = self
        for key in path:
            value = value.get(key) if isinstance(value, Tree) else None
        return value if isinstance(value, Tree) else _empty(self.line)

    def trees(self, key: str) -> list[Tree]:
        """The mappings in the list at a key."""
        value = self.get(key)
        return [item for item in value if isinstance(item, Tree)] if isinstance(value, list) else []


Value: TypeAlias = "Text | Tree | list[Value] | None"


def _empty(line: int) -> Tree:
    made = Tree()
    made.line = line
    return made


def read_tree(path: Path, text: str) -> Value:
    """The content of a file. Raises NotYaml."""
    is_json = path.suffix.lower() == ".json" or text.lstrip()[:1] in {"{", "["}
    node = compose(text.replace("\t", " ") if is_json else text)  # YAML has no tabs; JSON has them between values alone
    return None if node is None else _Reader().value(node)


def walk(value: Value) -> Iterator[Tree]:
    """All mappings below a value, and it, in the order of the file."""
    if isinstance(value, Tree):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def lower_first(value: Value) -> Value:
    """With keys as the command line of AWS has them: `databaseName` for CloudFormation's `DatabaseName`."""
    if isinstance(value, Tree):
        made = _empty(value.line)
        made.update({key[:1].lower() + key[1:]: lower_first(inner) for key, inner in value.items()})
        return made
    return [lower_first(inner) for inner in value] if isinstance(value, list) else value


class _Reader:
    def __init__(self) -> None:
        self._nodes = 0

    def value(self, node: Node) -> Value:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ValueError(f"its aliases make more than {MOST_NODES:,} values of it")
        return self._tagged(node, self._plain(node)) if node.tag.startswith("!") else self._plain(node)

    def _plain(self, node: Node) -> Value:
        if isinstance(node, ScalarNode):
            if node.tag == _NULL:
                return None
            text = Text(node.value)
            text.line = line_of(node)
            return text
        if isinstance(node, MappingNode):
            made = _empty(line_of(node))
            for key, inner in node.value:
                made[str(key.value)] = self.value(inner)
            return made
        return [self.value(inner) for inner in node.value]

    @staticmethod
    def _tagged(node: Node, value: Value) -> Value:
        name = node.tag[1:]
        made = _empty(line_of(node))
        if name == "GetAtt" and isinstance(value, Text):
            parts: list[Value] = []
            for part in value.split(".", 1):
                text = Text(part)
                text.line = value.line
                parts.append(text)
            value = parts
        made[name if name in _PLAIN_NAMES else f"Fn::{name}"] = value
        return made
