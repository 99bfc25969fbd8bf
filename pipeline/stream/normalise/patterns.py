"""Which fields of payloads a table takes, by patterns of their names: `*`, `?` and `[…]`, case-sensitive."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import translate


@dataclass(frozen=True, slots=True)
class Patterns:
    """A field is taken if one of `only` matches (none: every field) and none of `ignore`."""

    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    _ignored: re.Pattern[str] | None = field(init=False, compare=False, repr=False, default=None)
    _wanted: re.Pattern[str] | None = field(init=False, compare=False, repr=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ignored", _any_of(self.ignore))
        object.__setattr__(self, "_wanted", _any_of(self.only))

    def __call__(self, name: str) -> bool:
        """Whether the field of this (flattened) name is taken."""
        if self._wanted is not None and self._wanted.match(name) is None:
            return False
        return self._ignored is None or self._ignored.match(name) is None


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, patterns))) if patterns else None


EVERY_FIELD = Patterns()
