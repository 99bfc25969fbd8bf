"""Arithmetic over measures: `0.61 * exp(17.27 * temperature / (temperature + 237.3)) * (1 - humidity / 100)`.

The grammar is Python's for expressions, of which only what is in the tables below is accepted: numbers, names of
measures (in quotes if they are not words: "soil-moisture"), + - * / % **, comparisons (1 if true, else 0), parentheses
and the functions. It is computed by numpy over arrays; nothing is ever executed as code. What is not a number, as after
a division by 0, is NaN.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rules.values.arrays import Float64s
from store.values.nearest import nearest

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "ceil": (1, np.ceil),
    "cos": (1, np.cos),
    "exp": (1, np.exp),
    "floor": (1, np.floor),
    "log": (1, np.log),
    "log10": (1, np.log10),
    "max": (2, np.maximum),
    "min": (2, np.minimum),
    "round": (1, np.round),
    "sin": (1, np.sin),
    "sqrt": (1, np.sqrt),
    "where": (3, lambda condition, then, otherwise: np.where(condition != 0, then, otherwise)),
}
"""Functions with their numbers of arguments."""

LONGEST = 1000
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A parsed expression; `measures` in the order in which they occur."""

    text: str
    measures: tuple[str, ...]
    tree: ast.expr

    def of(self, values: Mapping[str, Float64s]) -> Float64s:
        """The value for each element of these arrays, which are of one length."""
        with np.errstate(all="ignore"):
            computed = np.asarray(_computed(self.tree, values), np.float64)
        return np.broadcast_to(computed, next(iter(values.values())).shape)


def parse_arithmetic(text: str) -> Arithmetic:
    """The expression in `text`. Raises ValueError with what is wrong in it."""
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text)} characters; the longest expression has {LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"is not an expression: {text!r}") from error
    measures: dict[str, None] = {}
    _check(tree, measures, 0)
    if not measures:
        raise ValueError(f"names no measure: {text!r}")
    return Arithmetic(text, tuple(measures), tree)


def _check(node: ast.expr, measures: dict[str, None], depth: int) -> None:
    """Refuse what is not in the tables, and note the measures."""
    if depth > _DEEPEST:
        raise ValueError(f"is nested more than {_DEEPEST} deep")
    match node:
        case ast.Constant(value=bool()):
            raise ValueError(f"has {node.value!r}; only numbers count")
        case ast.Constant(value=int() | float()):
            return
        case ast.Constant(value=str(name)) | ast.Name(id=name):
            measures[name] = None
        case ast.BinOp(op=operator) if type(operator) in OPERATORS:
            _check(node.left, measures, depth + 1)
            _check(node.right, measures, depth + 1)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            _check(node.operand, measures, depth + 1)
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            _check(node.left, measures, depth + 1)
            _check(node.comparators[0], measures, depth + 1)
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            _check_call(name, node, measures, depth)
        case _:
            raise ValueError(f"has `{ast.unparse(node)}`, which is not arithmetic over measures")


def _check_call(name: str, node: ast.Call, measures: dict[str, None], depth: int) -> None:
    if name not in FUNCTIONS:
        near = nearest(name, FUNCTIONS)
        told = f"did you mean {near}?" if near else f"functions: {', '.join(FUNCTIONS)}"
        raise ValueError(f"has the unknown function {name}; {told}")
    wanted = FUNCTIONS[name][0]
    if len(node.args) != wanted:
        raise ValueError(f"gives {name} {len(node.args)} arguments; it takes {wanted}")
    for argument in node.args:
        _check(argument, measures, depth + 1)


def _computed(node: ast.expr, values: Mapping[str, Float64s]) -> Any:
    match node:
        case ast.Constant(value=str(name)) | ast.Name(id=name):
            return values[name]
        case ast.Constant(value=number):
            return float(number)  # type: ignore[arg-type]  # checked
        case ast.BinOp(op=operator):
            return OPERATORS[type(operator)](_computed(node.left, values), _computed(node.right, values))
        case ast.UnaryOp(op=sign):
            value = _computed(node.operand, values)
            return -value if isinstance(sign, ast.USub) else value
        case ast.Compare(ops=[operator]):
            return COMPARISONS[type(operator)](
                _computed(node.left, values), _computed(node.comparators[0], values)
            ).astype(np.float64)
        case ast.Call(func=ast.Name(id=name)):
            return FUNCTIONS[name][1](*(_computed(argument, values) for argument in node.args))
    raise AssertionError(f"{ast.dump(node)} passed the check")
