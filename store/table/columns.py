"""The columns of an open table: the stored ones, the decisions about them, and those that readers see.

Changes happen under the table's lock.
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
    """The columns of one table, and their meaning."""

    def __init__(
        self, info: TableInfo, index: SeriesIndex, number_of: Callable[[str], int], *, is_sole_writer: bool
    ) -> None:
        """Start without columns. `is_sole_writer`: only this process names columns (`store.table.registering`)."""
        self.stored = Columns()
        self.changes = info.changes  # the current ones
        self._info = info
        self._index = index
        self._number_of = number_of
        self._is_sole_writer = is_sole_writer

    @property
    def is_changed(self) -> bool:
        """Whether there are decisions about its columns, or a name has several columns."""
        return bool(self.stored.has_changed or self.changes.roles or self.changes.eras)

    def schema(self, info: TableInfo) -> TableSchema:
        """The columns that readers see."""
        return schema_of(info, self.stored, self._number_of)

    def measures_now(self) -> list[Column]:
        """The measures that readers see, computed from stored measures only."""
        if self.is_changed:
            units = {**self.changes.units, **self._info.settings.units}
            return measures_alone(self.stored, self.changes, units, self._number_of)
        return list(self.stored.measures.values())

    def types_to_have(self, types: Mapping[str, MeasureType], *, by_version: bool) -> dict[str, MeasureType] | None:
        """The present type of each measure, by name; for WriteRecords only if the type in `types` is stored already.

        None if measures of these types need no conversion.
        """
        if not self.is_changed and all(self.stored.has_measure(*measure) for measure in types.items()):
            return None
        now = {column.name: column.type for column in self.measures_now()}
        if not by_version:
            return now
        return {name: kind for name, kind in now.items() if self.stored.has_measure(name, types.get(name, kind))}

    def lacking(self, came: Mapping[str, MeasureType], *, by_version: bool) -> dict[str, MeasureType]:
        """The measures of a batch that need a new column; those that will be rejected need none."""
        return {
            name: kind
            for name, kind in came.items()
            if not self.stored.has_measure(name, kind)
            and not (by_version and self.stored.has_measure(name) and self.changes.type_of(name) is not kind)
        }

    def to_store(self, given: Iterable[str]) -> dict[str, Column]:
        """The stored columns in which a row has values for these names, which are those that readers see.

        A name is left out if it has no column and this store cannot create one now, since other workers must know it
        first.
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
        if self._is_sole_writer:
            return self.stored.measure(given, kind)
        _log.warning(
            "%s: a value of %s is left out: its unit is no longer the unit of the measure", self._info.table, given
        )
        return None

    def proposed(self, first: int, end: int, measures: Mapping[str, MeasureType]) -> list[Column]:
        """The additional columns that these series and measures need."""
        proposed = self.stored.copy()
        for name in list(self._index.dimensions):
            proposed.dimension(name)
        if self.has_zones(first, end):
            proposed.add_zone()
        for name, kind in measures.items():
            proposed.measure(name, kind)
        return proposed.stored_beyond(self.stored)

    def has_zones(self, first: int, end: int) -> bool:
        """Whether the zone needs a column: these series, or any whose zone became known later, have a zone."""
        return self.stored.zone is None and (
            self._index.rezoned > 0 or any(zone is not None for zone in self._index.zones[first:end])
        )
