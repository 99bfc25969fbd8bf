"""The columns of a table at work: those that rows have, what was decided about them, and what readers are given.

Under the table's lock where they change.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from store.catalog.present import measures_alone, schema_of, sibling
from store.catalog.schema import Column, Columns, TableSchema
from store.record import MeasureType, SeriesIndex

if TYPE_CHECKING:
    from store.catalog.catalog import TableInfo

_log = logging.getLogger(__name__)


class TableColumns:
    """What the rows of one table have, and mean."""

    def __init__(self, info: TableInfo, index: SeriesIndex, number_of: Callable[[str], int], *, may_make: bool) -> None:
        """None yet. `may_make`: whether this process alone names columns (`store.table.registering`)."""
        self.stored = Columns()
        self.changes = info.changes  # as of now
        self._info = info
        self._index = index
        self._number_of = number_of
        self._may_make = may_make

    @property
    def is_changed(self) -> bool:
        """Whether anything was decided about its columns, or a name has several."""
        return bool(self.stored.has_changed or self.changes.roles or self.changes.eras)

    def schema(self, info: TableInfo) -> TableSchema:
        """The columns as readers are given them."""
        return schema_of(info, self.stored, self._number_of)

    def measures_now(self) -> list[Column]:
        """The measures as readers are given them, made of stored measures alone."""
        if self.is_changed:
            units = {**self.changes.units, **self._info.settings.units}
            return measures_alone(self.stored, self.changes, units, self._number_of)
        return list(self.stored.measures.values())

    def types_to_have(self, types: Mapping[str, MeasureType], *, by_version: bool) -> dict[str, MeasureType] | None:
        """The type of each measure now, by name; of WriteRecords' only where `types` has one of before.

        None where measures of these types are as they are now.
        """
        if not self.is_changed and all(self.stored.has_measure(*measure) for measure in types.items()):
            return None
        now = {column.name: column.type for column in self.measures_now()}
        if not by_version:
            return now
        return {name: kind for name, kind in now.items() if self.stored.has_measure(name, types.get(name, kind))}

    def lacking(self, came: Mapping[str, MeasureType], *, by_version: bool) -> dict[str, MeasureType]:
        """The measures, of those that came, that need a column that is not there; one that is refused needs none."""
        return {
            name: kind
            for name, kind in came.items()
            if not self.stored.has_measure(name, kind)
            and not (by_version and self.stored.has_measure(name) and self.changes.type_of(name) is not kind)
        }

    def to_store(self, given: Iterable[str]) -> dict[str, Column]:
        """The stored columns that make a row have values under these names, as readers are given them.

        A name is left out where there is none and this store cannot make one now, since others would have to know it.
        """
        types = {column.name: column.type for column in self.measures_now()}
        found = {name: self._to_store(name, types[name]) for name in given}
        return {name: column for name, column in found.items() if column is not None}

    def _to_store(self, given: str, kind: MeasureType) -> Column | None:
        if self.stored.has_measure(given, kind):
            return self.stored.measure(given, kind)
        for column in self.stored.measures.values():
            if column.type is kind and sibling(column.name, kind) == given:
                return column
        if self._may_make:
            return self.stored.measure(given, kind)
        _log.warning(
            "%s: %s of a row is left out: its unit is not that of the measure any more", self._info.table, given
        )
        return None

    def proposed(self, first: int, end: int, measures: Mapping[str, MeasureType]) -> list[Column]:
        """The columns that these series, and measures, would need beside those there are."""
        proposed = self.stored.copy()
        for key in self._index.keys[first:end]:
            for name, _ in key.dimensions:
                proposed.dimension(name)
        if self.has_zones(first, end):
            proposed.know_zone()
        for name, kind in measures.items():
            proposed.measure(name, kind)
        return proposed.stored_beside(self.stored)

    def has_zones(self, first: int, end: int) -> bool:
        """Whether rows of these series, or of any whose zone was not known at first, have a zone that is no column."""
        return self.stored.zone is None and (
            self._index.rezoned > 0 or any(zone is not None for zone in self._index.zones[first:end])
        )
