"""Annotation templates: text with placeholders, `{zone_name}: {value:.1f} °C on {sensor}`.

A placeholder is any name in braces; `{{` and `}}` are braces. `rules.alerts.placeholders` knows the names of an alert.
An unknown name is rendered as nothing: a dimension may be absent from one series and present in the next, so this
cannot be an error. Numbers, as `{value}`, may have a precision, `:.1f`, `:.3g` or `:.2e`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from store.values.templates import Place, parse

_PRECISION = re.compile(r"\.[0-9]{1,2}[efg]")
NUMBERS = ("value", "bound")
"""The numbers that alerts of every kind have."""
_PLAIN_PRECISION = ".10g"  # hides the last binary digits (2.0000000000000004) and keeps those of a sensor


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A name to be replaced; `precision` is a number format, empty if there is none."""

    name: str
    precision: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.precision}" if self.precision else self.name


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: literal texts and placeholders in order."""

    parts: tuple[str | Placeholder, ...]

    def render(self, names: Mapping[str, str | float]) -> str:
        """The text with every placeholder replaced; names that are not in `names` become nothing."""
        return "".join(part if isinstance(part, str) else _fill(part, names) for part in self.parts)

    def __str__(self) -> str:
        """The text from which `parse_template` makes this."""
        return "".join(
            part.replace("{", "{{").replace("}", "}}") if isinstance(part, str) else f"{{{part}}}"
            for part in self.parts
        )


def parse_template(text: str) -> Template:
    """The template in `text`. Raises ValueError with the problem and its column (from 1) in `text`."""
    return Template(tuple(part if isinstance(part, str) else _placeholder(part) for part in parse(text)))


def without_number(template: Template, numbers: Collection[str]) -> Placeholder | None:
    """The first placeholder that has a precision, and is none of these numbers."""
    placeholders = (part for part in template.parts if isinstance(part, Placeholder))
    return next((part for part in placeholders if part.precision and part.name not in numbers), None)


def _placeholder(place: Place) -> Placeholder:
    name, colon, precision = (part.strip() for part in place.name.partition(":"))
    if not name:
        raise ValueError(f"has an empty placeholder at column {place.column}")
    if colon and not _PRECISION.fullmatch(precision):
        raise ValueError(
            f"has the placeholder {{{place.name}}} at column {place.column}; a format is as in {{value:.1f}}"
        )
    return Placeholder(name, precision)


def _fill(placeholder: Placeholder, names: Mapping[str, str | float]) -> str:
    value = names.get(placeholder.name, "")
    if isinstance(value, str):
        return value
    if placeholder.precision:
        return format(value, placeholder.precision)
    return str(value) if isinstance(value, int) else format(value, _PLAIN_PRECISION)
