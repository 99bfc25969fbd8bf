"""Conditions over the alerts of other rules: `TooHot and (SoilDry or "Pump off") and not Maintenance`.

The grammar is Python's for `and`, `or`, `not`, parentheses and names of rules (in quotes if they are not words);
nothing is ever executed as code.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST = 1000
MOST_RULES = 12


@dataclass(frozen=True, slots=True)
class Logic:
    """A parsed condition; `names` in the order in which they occur."""

    text: str
    names: tuple[str, ...]
    tree: ast.expr

    def of(self, fires: Mapping[str, bool]) -> bool:
        """Whether it holds if these rules fire."""
        return _holds(self.tree, fires)

    def needs(self, names: frozenset[str]) -> bool:
        """Whether it never holds without one of these rules firing."""
        others = [name for name in self.names if name not in names]
        none = dict.fromkeys(self.names, False)
        every = itertools.product((False, True), repeat=len(others))
        return not any(self.of({**none, **dict(zip(others, fires, strict=True))}) for fires in every)


def parse_logic(text: str) -> Logic:
    """The condition in `text`. Raises ValueError with what is wrong in it."""
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text)} characters; the longest condition has {LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"is not a condition: {text!r}") from error
    names: dict[str, None] = {}
    _check(tree, names)
    if len(names) > MOST_RULES:
        raise ValueError(f"names {len(names)} rules; at most {MOST_RULES} are possible")
    logic = Logic(text, tuple(names), tree)
    if not logic.needs(frozenset(names)):
        raise ValueError(f"holds while none of its rules fires: {text!r}")
    return logic


def _check(node: ast.expr, names: dict[str, None]) -> None:
    match node:
        case ast.Constant(value=str(name)) | ast.Name(id=name):
            names[name] = None
        case ast.BoolOp(values=parts):
            for part in parts:
                _check(part, names)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check(operand, names)
        case _:
            raise ValueError(
                f"has `{ast.unparse(node)}`; only names of rules, and, or, not, and parentheses are possible"
            )


def _holds(node: ast.expr, fires: Mapping[str, bool]) -> bool:
    match node:
        case ast.Constant(value=str(name)) | ast.Name(id=name):
            return fires[name]
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_holds(part, fires) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_holds(part, fires) for part in parts)
        case ast.UnaryOp(operand=operand):
            return not _holds(operand, fires)
    raise AssertionError(f"{ast.dump(node)} passed the check")
