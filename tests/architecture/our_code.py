"""What our modules import, as their text says: also within functions and under TYPE_CHECKING."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "store", "rules", "simulators")


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `target` is the dotted name, with what is taken from a module as its last part."""

    path: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.target}"

    def is_of(self, prefix: str) -> bool:
        return self.target == prefix or self.target.startswith(f"{prefix}.")


@cache
def modules() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def statements_of(node: ast.AST) -> Iterator[ast.AST]:
    """All statements, in one another, without their expressions, which are most of a tree."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield child
            yield from statements_of(child)


def imports_of(path: str) -> Iterator[Import]:
    for node in statements_of(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(path, node.lineno, f"{module}.{alias.name}")


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(found for path in modules() for found in imports_of(path))


def is_at(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a file is at one of these places; `*` reaches into subfolders too."""
    return any(fnmatch(path, pattern) for pattern in patterns)
