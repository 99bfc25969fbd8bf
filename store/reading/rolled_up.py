"""What rollups alone say about groups of series: a row for each group and slot, for questions in SQL.

A question is answered so only if no row has to be read but those of cut minutes, and all rows have all measures: then
a slot of a group is there exactly if it has rows, and the number of rows is that of values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.schema import Column
from store.engine.duck import Cursor
from store.reading.by_zone import ByNumber, by_number
from store.reading.cuts import with_cut_minutes
from store.reading.partials import COUNT, GREATEST, GROUP, LEAST, ROWS, TOTAL
from store.reading.rolled import Division, divide, is_short, roll_up_newest
from store.reading.scan import MemoryView, Selection, TableView

MOST_SLOTS = 500_000  # that are read: their sums take 20 ms and 50 MB


class Groups:
    """The series with some values of dimensions, in groups with the same values of `names`; in all stores."""

    def __init__(self, dimensions: Mapping[str, Collection[str]], names: Sequence[str]) -> None:
        self._dimensions = dimensions
        self._names = names
        self._numbers: dict[tuple[str | None, ...], int] = {}
        self._found: dict[int, ByNumber | None] = {}  # by the id of the view

    def by_number(self, memory: MemoryView) -> ByNumber | None:
        """The number of the group of each zone; None if a zone is not wholly in one."""
        if id(memory) not in self._found:
            self._found[id(memory)] = self._find(memory)
        return self._found[id(memory)]

    def _find(self, memory: MemoryView) -> ByNumber | None:
        series = memory.members.selected(self._dimensions)
        group, values = memory.members.groups(series, self._names)
        numbers = np.array([self._numbers.setdefault(of, len(self._numbers)) for of in values], np.int32)
        return by_number(memory, series, numbers[group])

    def columns(self, group: pa.Array) -> dict[str, pa.Array]:
        """For these numbers of groups the values of each name."""
        values = list(zip(*self._numbers, strict=True)) if self._numbers else [()] * len(self._names)
        return {
            f"{GROUP}{place}": pa.array(of, pa.string()).take(group)
            for place, of in enumerate(values[: len(self._names)])
        }


def rolled_up(
    cursor: Cursor,
    view: TableView,
    selection: Selection,
    groups: Groups,
    measures: Sequence[Column],
    grain_ns: int,
) -> pa.Table | None:
    """By group and slot, what `store.reading.partials` has of these measures but times; None if it needs more.

    Raises DamagedRows, and what `run` raises.
    """
    names = [column.physical for column in measures]
    if (
        view.schema.stored
        or not is_short(view, selection, grain_ns)
        or any(groups.by_number(memory) is None for memory in view.memory)
    ):
        return None
    roll_up_newest(cursor, view, selection, names, grain_ns)
    division = divide(view, selection, groups.by_number, names, grain_ns)
    if division.rows or division.most_read > MOST_SLOTS or not division.has_all_values(names):
        return None
    return _table(with_cut_minutes(cursor, view, division, measures), groups, names, grain_ns)


def _table(division: Division, groups: Groups, measures: Sequence[str], grain_ns: int) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for place, measure in enumerate(measures):  # groups and slots are the same for each
        group, slot, sums = division.sums(measure)
        columns |= {layout.TIME_NS: pa.array(slot * grain_ns), **groups.columns(pa.array(group))}
        columns |= {ROWS: pa.array(sums.count)}
        columns |= {
            f"{COUNT}{place}": pa.array(sums.count),
            f"{TOTAL}{place}": pa.array(sums.total),
            f"{LEAST}{place}": pa.array(sums.least),
            f"{GREATEST}{place}": pa.array(sums.greatest),
        }
    return pa.table(columns)
