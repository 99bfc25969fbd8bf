"""What a function is: a name, and for each list of parameter types a result type and a DuckDB template.

A template is the DuckDB text with `{0}`, `{1}` … for the arguments (atomic texts, of exactly the parameter types),
`{now_ns}` for the time of the query, `{*}` and `{||}` for all arguments with commas or `||` between, `{nulls}` for
whether any of them is null, and `{after}` where FILTER and OVER stand (without it they stand at the end). It must be
atomic itself. `fold` computes the value from constant arguments (first the time of the query, then the arguments): a
call of constants is then a constant itself, which is what lets `time > ago(6h)` choose what is read.

To add a function: add an entry to the family's file. Operators are functions too, under their sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from store.sql.types import ScalarType, coercion_cost, common_type


@dataclass(frozen=True, slots=True)
class Generic:
    """Any type, the same for all parameters of one call that have this `name`; `among` limits it."""

    name: str = "T"
    among: frozenset[ScalarType] = frozenset(ScalarType)


ANY = Generic()
KEY = Generic("K")
NUMBER = Generic(among=frozenset({ScalarType.INTEGER, ScalarType.BIGINT, ScalarType.DOUBLE, ScalarType.UNKNOWN}))

_PLACE = re.compile(r"\{(\d+|\*|\|\||nulls|now_ns|distinct|after)\}")

Parameter: TypeAlias = ScalarType | Generic


@dataclass(frozen=True, slots=True)
class Overload:
    """One form of a function. `result` None: the type of the generic `T`. `variadic`: the last parameter may repeat."""

    parameters: tuple[Parameter, ...]
    result: ScalarType | None
    template: str
    fold: Callable[..., int | float | bool | str] | None = None
    variadic: bool = False

    def match(self, arguments: Sequence[tuple[ScalarType, bool]]) -> Match | None:
        """How this form takes arguments of these (type, is constant); None if it does not."""
        missing = len(arguments) - len(self.parameters)
        if missing < 0 or (missing > 0 and not self.variadic):
            return None
        parameters = self.parameters + self.parameters[-1:] * missing
        generics = _bind_generics(parameters, arguments)
        if generics is None:
            return None
        targets = tuple(
            generics[parameter.name] if isinstance(parameter, Generic) else parameter for parameter in parameters
        )
        cost = 0
        for target, (kind, is_constant) in zip(targets, arguments, strict=True):
            step = coercion_cost(kind, target, is_constant=is_constant)
            if step is None:
                return None
            cost += step
        return Match(self, targets, self.result or generics["T"], cost)

    def render(self, arguments: Sequence[str], now_ns: int, *, distinct: bool = False, after: str = "") -> str:
        """The template with these texts in it. Texts are put in at once: what stands in one is never looked at.

        `after` follows the call of an aggregate or window function: FILTER and OVER.
        """
        values = {str(index): text for index, text in enumerate(arguments)} | {
            "*": ", ".join(arguments),
            "||": " || ".join(arguments),
            "nulls": " OR ".join(f"{text} IS NULL" for text in arguments),
            "now_ns": str(now_ns),
            "distinct": "DISTINCT " if distinct else "",
            "after": after,
        }
        sql = _PLACE.sub(lambda place: values[place[1]], self.template)
        return f"({sql}{after})" if after and "{after}" not in self.template else sql


@dataclass(frozen=True, slots=True)
class Match:
    """An overload that takes the arguments once each is coerced to `parameters`."""

    overload: Overload
    parameters: tuple[ScalarType, ...]
    result: ScalarType
    cost: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the dialect; `aggregate` if it makes one value of a group."""

    name: str
    overloads: tuple[Overload, ...]
    aggregate: bool = False

    def resolve(self, arguments: Sequence[tuple[ScalarType, bool]]) -> Match | None:
        """The form that takes these arguments with the least coercion; the first of equals; None if none does."""
        matches = [match for overload in self.overloads if (match := overload.match(arguments))]
        return min(matches, key=lambda match: match.cost, default=None)


def _bind_generics(
    parameters: Sequence[Parameter], arguments: Sequence[tuple[ScalarType, bool]]
) -> dict[str, ScalarType] | None:
    """The type of each generic by name; None if some have no common type or are not among those allowed."""
    bound: dict[str, ScalarType] = {}
    for generic in {parameter for parameter in parameters if isinstance(parameter, Generic)}:
        kinds = [argument for parameter, argument in zip(parameters, arguments, strict=True) if parameter == generic]
        common = common_type(kinds)
        if common is None or common not in generic.among:
            return None
        bound[generic.name] = common
    return bound


Family: TypeAlias = Mapping[str, Function]


def family(*functions: Function) -> Family:
    """Functions by name. A name stands once."""
    table = {function.name: function for function in functions}
    assert len(table) == len(functions)
    return table


def scalar(name: str, *overloads: Overload) -> Function:
    """A function of one row's values."""
    return Function(name, overloads)


def aggregate(name: str, *overloads: Overload) -> Function:
    """A function of a group's values."""
    return Function(name, overloads, aggregate=True)
