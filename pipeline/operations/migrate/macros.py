"""Grafana's macros and variables in SQL, replaced as its plugin for Timestream replaces them. Pure.

The plugin replaces the longest names first; a variable is `$name`, `${name}`, `${name:format}` or `[[name]]`. Values
are those that the dashboard was saved with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FROM_MS, TO_MS = 1_763_892_000_000, 1_763_895_600_000  # an hour, which any dashboard may show
_MACROS = {
    "timeFilter": f"time BETWEEN from_milliseconds({FROM_MS}) AND from_milliseconds({TO_MS})",
    "timeFrom": str(FROM_MS),
    "timeTo": str(TO_MS),
    "now_ms": str(TO_MS),
    "interval_raw_ms": "60000",
    "interval_ms": "60000ms",
    "interval": "60000ms",
}
_MACRO = re.compile(r"\$__(\w+)")
_BRACED = re.compile(
    r"\$\{(?P<a>\w+)(?:\.\w+)*(?::(?P<f>\w+))?\}|\[\[(?P<b>\w+)(?::(?P<g>\w+))?\]\]|\$(?P<c>[A-Za-z_]\w*)"
)
_GLOBAL = {
    "__from": str(FROM_MS),
    "__to": str(TO_MS),
    "__interval": "1m",
    "__interval_ms": "60000",
    "__user": "someone",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a dashboard: its values, and whether it may have several."""

    values: Sequence[str]
    is_list: bool


@dataclass(frozen=True, slots=True)
class Place:
    """What the query editor of a panel names: "" where it names nothing."""

    database: str = ""
    table: str = ""
    measure: str = ""


class Unknown(Exception):
    """A macro or variable that nothing defines."""


def filled(sql: str, place: Place, variables: Mapping[str, Variable]) -> str:
    """The statement that Timestream would get. Raises Unknown."""
    named = {"database": place.database, "table": place.table, "measure": place.measure}

    def macro(found: re.Match[str]) -> str:
        name = found[1]
        for known in sorted((*_MACROS, *named), key=len, reverse=True):
            if name.startswith(known):
                value = _MACROS.get(known) or named[known]
                if not value:
                    raise Unknown(f"$__{known} is used, and the panel names no {known}")
                return value + name[len(known) :]
        if f"__{name}" in _GLOBAL:
            return _GLOBAL[f"__{name}"]
        raise Unknown(f"$__{name} is no macro that is known here")

    def variable(found: re.Match[str]) -> str:
        name, form = found["a"] or found["b"] or found["c"], found["f"] or found["g"]
        if name in _GLOBAL:
            return _GLOBAL[name]
        if name not in variables:
            raise Unknown(f"the variable ${name} is not defined in the dashboard")
        return _written(variables[name], form)

    place_filled = _BRACED.sub(variable, " ".join(named.values())) if any("$" in of for of in named.values()) else ""
    if place_filled:
        named = {name: _BRACED.sub(variable, of) for name, of in named.items()}
    return _BRACED.sub(variable, _MACRO.sub(macro, sql))


def _written(variable: Variable, form: str | None) -> str:
    quote = {"singlequote": "'", "sqlstring": "'", "doublequote": '"'}.get(form or "", "'" if variable.is_list else "")
    if form in {"raw", "csv", "text"}:
        quote = ""
    separator = "|" if form in {"pipe", "regex"} else ","
    doubled = (value.replace(quote, quote * 2) if quote else value for value in variable.values)
    return separator.join(f"{quote}{value}{quote}" for value in doubled)
