"""What the records of each measure name have: the answer to SHOW MEASURES, saved with the series of a table.

It only grows. So it may name more than rows have: what only rows had that are deleted because of their age, removed
with a damaged file, or replaced by a higher version without that measure; and a zone that their series got later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec


class Contents(msgspec.Struct, frozen=True, array_like=True):
    """What the records of one measure name have: dimensions by name, measures by physical name, a zone."""

    dimensions: frozenset[str] = frozenset()
    measures: frozenset[str] = frozenset()
    has_zone: bool = False

    def __or__(self, other: Contents) -> Contents:
        return Contents(
            self.dimensions | other.dimensions, self.measures | other.measures, self.has_zone or other.has_zone
        )


ByMeasureName: TypeAlias = Mapping[str, Contents]


def together(parts: Sequence[ByMeasureName]) -> ByMeasureName:
    """The contents of all parts, n ≥ 1."""
    if len(parts) == 1:
        return parts[0]
    found: dict[str, Contents] = {}
    for part in parts:
        for name, contents in part.items():
            found[name] = found.get(name, Contents()) | contents
    return found
