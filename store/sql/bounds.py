"""Bounds of the rows that a query can need of a table, and the columns of relations that they can be said of.

A bound on a column of a subquery or WITH query is one on its table where it makes no difference whether rows beyond it
are left out before or after: `Origin` says which table. Only bounds go inside, never conditions, and each condition
stays where it is written: so a bound may be too wide, and nothing else can be wrong about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from store.catalog.schema import BY_MEASURE_NAME


@dataclass(slots=True, eq=False)
class Bounds:
    """Rows with time in [from, to), and with each dimension among its values; None and no entry: any.

    zones          those that rows may be in; None: any, and rows without one
    measure_names  those that rows may have; None: any
    is_exact       whether the WHERE selects all of these rows
    """

    time_from_ns: int | None = None
    time_to_ns: int | None = None
    dimensions: dict[str, frozenset[str]] = field(default_factory=dict)
    zones: frozenset[str] | None = None
    measure_names: frozenset[str] | None = None
    is_exact: bool = True

    def at_least(self, time_ns: int) -> None:
        """Restrict to times ≥ `time_ns`."""
        self.time_from_ns = time_ns if self.time_from_ns is None else max(self.time_from_ns, time_ns)

    def below(self, time_ns: int) -> None:
        """Restrict to times < `time_ns`."""
        self.time_to_ns = time_ns if self.time_to_ns is None else min(self.time_to_ns, time_ns)

    def among(self, dimension: str, values: frozenset[str]) -> None:
        """Restrict to these values of the dimension."""
        known = self.dimensions.get(dimension)
        self.dimensions[dimension] = values if known is None else known & values

    def in_zones(self, zones: frozenset[str]) -> None:
        """Restrict to these zones."""
        self.zones = zones if self.zones is None else self.zones & zones

    def named(self, measure_names: frozenset[str]) -> None:
        """Restrict to these measure names."""
        self.measure_names = measure_names if self.measure_names is None else self.measure_names & measure_names

    @property
    def selected(self) -> dict[str, frozenset[str]]:
        """The values of dimensions and of the measure name by which rows are found."""
        if self.measure_names is None:
            return self.dimensions
        return {**self.dimensions, BY_MEASURE_NAME: self.measure_names}

    def within_any(self, others: Sequence[Bounds]) -> None:
        """Restrict to rows that are within one of some bounds."""
        starts = [other.time_from_ns for other in others if other.time_from_ns is not None]
        ends = [other.time_to_ns for other in others if other.time_to_ns is not None]
        if len(starts) == len(others):
            self.at_least(min(starts))
        if len(ends) == len(others):
            self.below(max(ends))
        if all(other.measure_names is not None for other in others):
            self.named(frozenset().union(*(other.measure_names or () for other in others)))
        for name in set.intersection(*(set(other.dimensions) for other in others)):
            self.among(name, frozenset().union(*(other.dimensions[name] for other in others)))


@dataclass(frozen=True, slots=True)
class Origin:
    """The time, a dimension, the zone or the measure name of a table, in a column of a relation.

    bounds    of that table
    template  of its zones
    width_ns  the column may be earlier than the time by less than this: a bin of it; 0: it is the time
    """

    bounds: Bounds
    name: str
    kind: str
    template: str | None = None
    width_ns: int = 0
