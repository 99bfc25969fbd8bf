"""Finds the series that a selection by dimensions matches, among those that a store has in RAM."""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Collection, Mapping

from store import layout
from store.catalog.schema import TableSchema
from store.engine.duck import quote_text
from store.reading.scan import MemoryView

LISTED = 256  # longer lists are joined as tables: DuckDB plans long IN lists slowly
_NONE = "-1"


def series_of(schema: TableSchema, memory: MemoryView, dimensions: Mapping[str, Collection[str]]) -> str:
    """The series with such dimensions and measure names: the text of an IN list, or of a subquery if there are many."""
    by_name = schema.selecting
    there = {*memory.series_columns, layout.MEASURE_NAME}
    if not memory.chunks or any(
        not values or name not in by_name or by_name[name].physical not in there for name, values in dimensions.items()
    ):
        return _NONE
    is_named_as_zone = layout.ZONE in dimensions  # a dimension of a device, and in `members` this is the zone
    found = None if is_named_as_zone else memory.members.selected(dimensions)
    if found is not None and len(found) <= LISTED:
        return ", ".join(map(str, found.tolist())) or _NONE
    conditions = [
        f"{by_name[name].quoted} IN ({', '.join(map(quote_text, sorted(values)))})"
        for name, values in dimensions.items()
    ]
    return f'SELECT "{layout.SERIES_ID}" FROM {memory.series_table} WHERE {" AND ".join(conditions) or "true"}'
