"""The definition of a function: a name, and for each list of parameter types a result type and a DuckDB template.

A template is DuckDB text with `{0}`, `{1}` … for the arguments (atomic texts, of exactly the parameter types),
`{now_ns}` for the time of the query, `{*}` and `{||}` for all arguments separated by commas or `||`, `{nulls}` for
whether any of them is null, `{order}` for ORDER BY, `{then}` for its keys after others, and `{after}` for FILTER and
OVER (default: at the end). It must be atomic itself. `fold` computes the value from constant arguments (first the time
of the query, then the arguments): a call with constants is then a constant itself, which is why `time > ago(6h)` can
limit what is read.

To add a function, add an entry to the file of its family. Operators are functions, too, named by their sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from store.sql.types import (
    UNKNOWN,
    ArrayType,
    MapType,
    RowType,
    ScalarType,
    SqlType,
    TimeSeriesType,
    coercion_cost,
    common_type,
    is_ordered,
    struct,
)


@dataclass(frozen=True, slots=True)
class Generic:
    """Any type, the same for all parameters of a call with this `name`.

    among    only these types
    ordered  only types whose values are smaller and larger than others
    """

    name: str = "T"
    among: frozenset[ScalarType] | None = None
    ordered: bool = False

    def takes(self, kind: SqlType) -> bool:
        """Whether it can be this type."""
        return (self.among is None or kind in self.among) and (not self.ordered or is_ordered(kind))


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """An array of such elements."""

    element: Parameter


@dataclass(frozen=True, slots=True)
class SeriesOf:
    """A time series of such values."""

    value: Parameter


@dataclass(frozen=True, slots=True)
class RowOf:
    """A row without names of such fields."""

    fields: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map of such keys and values."""

    key: Parameter
    value: Parameter


_SHORT = 40  # characters
_KNOWN_MAX = 100  # combinations of types that a function remembers: to look for a form takes up to 100 µs

Parameter: TypeAlias = ScalarType | Generic | ArrayOf | SeriesOf | RowOf | MapOf

ANY = Generic()
ORDERED = Generic(ordered=True)
KEY = Generic("K", ordered=True)
NUMBER = Generic(among=frozenset({ScalarType.INTEGER, ScalarType.BIGINT, ScalarType.DOUBLE, ScalarType.UNKNOWN}))

_PLACE = re.compile(r"\{(\d+|\*|\|\||nulls|now_ns|distinct|order|then|after)\}")


@dataclass(frozen=True, slots=True)
class Overload:
    """One form of a function.

    result    None: the type of the generic `T`
    variadic  the last parameter may repeat
    once      the arguments are computed once, however often the template has them, also inside its lambdas: unless they
              are as short as columns, so that the text of nested calls does not grow by powers
    """

    parameters: tuple[Parameter, ...]
    result: Parameter | None
    template: str
    fold: Callable[..., int | float | bool | str] | None = None
    variadic: bool = False
    once: bool = False

    @property
    def text(self) -> str:
        """The types of the parameters as text."""
        texts = [_text(parameter) for parameter in self.parameters]
        return ", ".join([*texts, "…"] if self.variadic else texts)

    def match(self, arguments: Sequence[tuple[SqlType, bool]]) -> Match | None:
        """The match of this form with arguments of these (type, is constant); None if it does not accept them."""
        missing = len(arguments) - len(self.parameters)
        if missing < 0 or (missing > 0 and not self.variadic):
            return None
        parameters = self.parameters + self.parameters[-1:] * missing
        generics = _bind_generics(parameters, arguments)
        if generics is None:
            return None
        targets = tuple(_filled(parameter, generics) for parameter in parameters)
        cost = 0
        for target, (kind, is_constant) in zip(targets, arguments, strict=True):
            step = coercion_cost(kind, target, is_constant=is_constant)
            if step is None:
                return None
            cost += step
        return Match(self, targets, _filled(self.result or ANY, generics), cost)

    def render(
        self, arguments: Sequence[str], now_ns: int, *, distinct: bool = False, order: str = "", after: str = ""
    ) -> str:
        """The template with these texts inserted, all at once: placeholders within inserted texts are not replaced.

        `order` is the keys of the ORDER BY within an aggregate; `after` follows the call: FILTER and OVER.
        """
        given = arguments
        once = self.once and any(len(argument) > _SHORT for argument in given)
        if once:
            arguments = [f"struct_extract(given, 'f{place}')" for place in range(len(given))]
        values = {str(index): text for index, text in enumerate(arguments)} | {
            "*": ", ".join(arguments),
            "||": " || ".join(arguments),
            "nulls": " OR ".join(f"{text} IS NULL" for text in arguments),
            "now_ns": str(now_ns),
            "distinct": "DISTINCT " if distinct else "",
            "order": f" ORDER BY {order}" if order else "",
            "then": f", {order}" if order else "",
            "after": after,
        }
        sql = _PLACE.sub(lambda place: values[place[1]], self.template)
        if once:
            return f"list_extract(list_transform([{struct(given)}], lambda given: {sql}), 1)"
        return f"({sql}{after})" if after and "{after}" not in self.template else sql


@dataclass(frozen=True, slots=True)
class Match:
    """An overload that accepts the arguments after each has been converted to `parameters`."""

    overload: Overload
    parameters: tuple[SqlType, ...]
    result: SqlType
    cost: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the dialect; `aggregate` if it computes one value per group."""

    name: str
    overloads: tuple[Overload, ...]
    aggregate: bool = False
    _known: dict[tuple[tuple[SqlType, bool], ...], Match | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def resolve(self, arguments: Sequence[tuple[SqlType, bool]]) -> Match | None:
        """The form that accepts the arguments with the least conversion; the first of equals; None if none does."""
        key = tuple(arguments)
        if key not in self._known:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            matches = [match for overload in self.overloads if (match := overload.match(arguments))]
            self._known[key] = min(matches, key=lambda match: match.cost, default=None)
        return self._known[key]


def _text(parameter: Parameter) -> str:
    """A parameter in messages: a generic has a letter, unless it is one of few types."""
    match parameter:
        case Generic():
            if parameter == NUMBER:
                return "number"
            return parameter.name.lower()
        case ArrayOf():
            return f"array({_text(parameter.element)})"
        case SeriesOf():
            return f"timeseries({_text(parameter.value)})"
        case MapOf():
            return f"map({_text(parameter.key)}, {_text(parameter.value)})"
        case RowOf():
            return f"row({', '.join(map(_text, parameter.fields))})"
    return parameter.text


def _bind_generics(
    parameters: Sequence[Parameter], arguments: Sequence[tuple[SqlType, bool]]
) -> dict[str, SqlType] | None:
    """The type of each generic by name; None if some have no common type or are not among the allowed types."""
    found: dict[Generic, list[tuple[SqlType, bool]]] = {}
    for parameter, (kind, is_constant) in zip(parameters, arguments, strict=True):
        if not _collect(parameter, kind, found, is_constant=is_constant):
            return None
    bound: dict[str, SqlType] = {}
    for generic, kinds in found.items():
        common = common_type(kinds) if kinds else UNKNOWN
        if common is None or not generic.takes(common):
            return None
        bound[generic.name] = common
    return bound


def _collect(
    parameter: Parameter, kind: SqlType, found: dict[Generic, list[tuple[SqlType, bool]]], *, is_constant: bool
) -> bool:
    """Add the types that a parameter's generics have in an argument's type; False if it has another structure."""
    match parameter, kind:
        case Generic(), _:
            found.setdefault(parameter, []).append((kind, is_constant))
        case ArrayOf(), ArrayType():
            return _collect(parameter.element, kind.element, found, is_constant=False)
        case ArrayOf(), TimeSeriesType():
            return _collect(parameter, kind.rows, found, is_constant=False)
        case SeriesOf(), TimeSeriesType():
            return _collect(parameter.value, kind.value, found, is_constant=False)
        case MapOf(), MapType():
            return _all_collected(_parts(parameter), (kind.key, kind.value), found)
        case RowOf(), RowType() if len(parameter.fields) == len(kind.fields):
            return _all_collected(parameter.fields, [field for _, field in kind.fields], found)
        case (ArrayOf() | SeriesOf() | RowOf() | MapOf(), ScalarType.UNKNOWN):
            parts = _parts(parameter)
            return _all_collected(parts, [UNKNOWN] * len(parts), found)
        case (ArrayOf() | SeriesOf() | RowOf() | MapOf(), _):
            return False
    return True


def _parts(parameter: Parameter) -> Sequence[Parameter]:
    """What a parameter consists of."""
    match parameter:
        case ArrayOf():
            return (parameter.element,)
        case SeriesOf():
            return (parameter.value,)
        case MapOf():
            return (parameter.key, parameter.value)
        case RowOf():
            return parameter.fields
    return ()


def _all_collected(
    parameters: Sequence[Parameter], kinds: Sequence[SqlType], found: dict[Generic, list[tuple[SqlType, bool]]]
) -> bool:
    return all(
        _collect(parameter, kind, found, is_constant=False) for parameter, kind in zip(parameters, kinds, strict=True)
    )


def _filled(parameter: Parameter, generics: Mapping[str, SqlType]) -> SqlType:
    """The parameter's type with the types of its generics."""
    match parameter:
        case Generic():
            return generics[parameter.name]
        case ArrayOf():
            return ArrayType(_filled(parameter.element, generics))
        case SeriesOf():
            return TimeSeriesType(_filled(parameter.value, generics))
        case RowOf():
            return RowType(tuple(("", _filled(field, generics)) for field in parameter.fields))
        case MapOf():
            return MapType(_filled(parameter.key, generics), _filled(parameter.value, generics))
    return parameter


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
