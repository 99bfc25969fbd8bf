"""Decisions about the columns of a table since its creation: part of the catalog. Pure.

Stored rows are never rewritten for a decision: `store.catalog.present` converts older rows when they are read.

Units depend on the position in the log. For each partition, `eras` contains the offsets from which rows have which
units; a measure that is missing in an era has no known unit there. A table whose units never changed has no eras.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from store.names import MeasureType

DIMENSION, MEASURE = "dimension", "measure"
Units: TypeAlias = Mapping[str, str]
Eras: TypeAlias = tuple[tuple[int, Units], ...]


@dataclass(frozen=True, slots=True)
class ColumnChanges:
    """Decisions by name.

    roles       the present role of a name, if it differs from its first column: "dimension", "measure" (of its first
                type), or the type of a measure
    since_ns    when that was decided
    dimensions  the dimensions of the configuration, as last adopted; None: not known
    units       the unit of each measure, as last adopted
    eras        by partition
    texts       measures that remain text without being configured: they never become numbers automatically
    asked       measures whose type an operator requested: it counts like a configured one
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    since_ns: Mapping[str, int] = field(default_factory=dict)
    dimensions: tuple[str, ...] | None = None
    units: Units = field(default_factory=dict)
    eras: Mapping[str, Eras] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    def type_of(self, name: str) -> MeasureType | None:
        """The type that was decided for the measure `name`, if any."""
        role = self.roles.get(name)
        return None if role in {None, DIMENSION, MEASURE} else MeasureType(role)

    def with_texts(self, measures: Iterable[str]) -> ColumnChanges:
        """These decisions, and that the measures remain text."""
        return replace(self, texts=tuple(dict.fromkeys((*self.texts, *measures))))

    def to_json(self) -> dict[str, Any]:
        """The form in the catalog."""
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
        """Decode the form in the catalog. Raises KeyError, TypeError, ValueError."""
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
