"""The definition of a function: a name, and for each list of parameter types a result type and a DuckDB template.

A template is DuckDB text with `{0}`, `{1}` … for the arguments (atomic texts, of exactly the parameter types),
`{now_ns}` for the time of the query, `{*}` and `{||}` for all arguments separated by commas or `||`, `{nulls}` for
whether any of them is null, and `{after}` for the position of FILTER and OVER (default: at the end). It must be atomic
itself. `fold` computes the value from constant arguments (first the time of the query, then the arguments): a call with
constants is then a constant itself, which is why `time > ago(6h)` can limit what is read.

To add a function, add an entry to the file of its family. Operators are functions, too, named by their sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from store.sql.types import ScalarType, coercion_cost, common_type


@dataclass(frozen=True, slots=True)
class Generic:
    """Any type, the same for all parameters of a call with this `name`; `among` restricts it."""

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
        """The match of this form with arguments of these (type, is constant); None if it does not accept them."""
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
        """The template with these texts inserted, all at once: placeholders within inserted texts are not replaced.

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
    """An overload that accepts the arguments after each has been converted to `parameters`."""

    overload: Overload
    parameters: tuple[ScalarType, ...]
    result: ScalarType
    cost: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the dialect; `aggregate` if it computes one value per group."""

    name: str
    overloads: tuple[Overload, ...]
    aggregate: bool = False

    def resolve(self, arguments: Sequence[tuple[ScalarType, bool]]) -> Match | None:
        """The form that accepts the arguments with the least conversion; the first of equals; None if none does."""
        matches = [match for overload in self.overloads if (match := overload.match(arguments))]
        return min(matches, key=lambda match: match.cost, default=None)


def _bind_generics(
    parameters: Sequence[Parameter], arguments: Sequence[tuple[ScalarType, bool]]
) -> dict[str, ScalarType] | None:
    """The type of each generic by name; None if some have no common type or are not among the allowed types."""
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
    """Functions by name. Each name must be unique."""
    table = {function.name: function for function in functions}
    assert len(table) == len(functions)
    return table


def scalar(name: str, *overloads: Overload) -> Function:
    """A function of the values of one row."""
    return Function(name, overloads)


def aggregate(name: str, *overloads: Overload) -> Function:
    """A function of the values of a group."""
    return Function(name, overloads, aggregate=True)
