"""Which measures can be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NUMBERS = frozenset({"double", "bigint"})


def names_of(measures: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """The measures that are numbers with their unit, those with a unit first."""
    found = {entry["measure"]: entry["unit"] for entry in measures if entry["type"] in NUMBERS}
    return dict(sorted(found.items(), key=lambda item: (item[1] is None, item[0])))
