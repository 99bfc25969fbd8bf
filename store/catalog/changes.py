"""What has been decided about the columns of a table since it was made: part of the catalog. Pure.

Nothing that is stored is ever rewritten for it: `store.catalog.present` reads older rows as what is decided here.

Units belong to places in the log. Per partition, `eras` tells from which offset on rows have which units; a measure
that an era does not name has no known unit there. A table whose units never changed has no eras.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from store.record import MeasureType

DIMENSION, MEASURE = "dimension", "measure"
Units: TypeAlias = Mapping[str, str]
Eras: TypeAlias = tuple[tuple[int, Units], ...]


@dataclass(frozen=True, slots=True)
class ColumnChanges:
    """Decisions by name.

    roles       what a name is now, where its first column does not say it: "dimension", "measure" (of the type that
                came first), or the type of a measure
    since_ns    when that was decided
    dimensions  the dimensions that the configuration names, as they were taken up last; None: not known
    units       the unit of each measure, as they were taken up last
    eras        by partition
    texts       measures that are text though nobody configured it: none of them is given up for a number
    asked       measures whose type an operator asked for: it counts as if it were configured
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    since_ns: Mapping[str, int] = field(default_factory=dict)
    dimensions: tuple[str, ...] | None = None
    units: Units = field(default_factory=dict)
    eras: Mapping[str, Eras] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    def type_of(self, name: str) -> MeasureType | None:
        """The type that was decided for the measure `name`, if one was."""
        role = self.roles.get(name)
        return None if role in {None, DIMENSION, MEASURE} else MeasureType(role)

    def with_texts(self, measures: Iterable[str]) -> ColumnChanges:
        """These, and that the measures are text for good."""
        return replace(self, texts=tuple(dict.fromkeys((*self.texts, *measures))))

    def to_json(self) -> dict[str, Any]:
        """As the catalog keeps it."""
        return {
            "roles": dict(self.roles),
            "since_ns": dict(self.since_ns),
            "dimensions": None if self.dimensions is None else list(self.dimensions),
            "units": dict(self.units),
            "eras": {
                partition: [[offset, dict(units)] for offset, units in eras] for partition, eras in self.eras.items()
            },
            "texts": list(self.texts),
            "asked": list(self.asked),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ColumnChanges:
        """Back from the catalog. Raises KeyError, TypeError, ValueError."""
        for role in document["roles"].values():
            if role not in {DIMENSION, MEASURE}:
                MeasureType(role)
        dimensions = document["dimensions"]
        return cls(
            dict(document["roles"]),
            dict(document["since_ns"]),
            None if dimensions is None else tuple(dimensions),
            dict(document["units"]),
            {
                partition: tuple((int(offset), dict(units)) for offset, units in eras)
                for partition, eras in document["eras"].items()
            },
            tuple(document.get("texts", ())),
            tuple(document.get("asked", ())),
        )
