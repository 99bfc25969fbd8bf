"""A table as its files were at an earlier time: rows that were only in RAM then are not there.

Which keys an earlier version has twice is not known any more, so a question looks for them itself.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from store import layout
from store.catalog.schema import TableSchema, names
from store.engine.duck import Cursor, run
from store.magnetic.data_files import DataFiles
from store.magnetic.tier import Version
from store.reading.rendering import Rendering
from store.reading.scan import END_OF_TIME_NS, Selection, TableView


class AsOf(msgspec.Struct, frozen=True, array_like=True):
    """The version of a table with this number, or the newest one of this time."""

    time_ns: int | None = None
    number: int | None = None


def view_of(schema: TableSchema, version: Version, data: DataFiles, visible_from_ns: int) -> TableView:
    """A table at an earlier version; `with_doubles` must follow."""
    return TableView(schema, (), END_OF_TIME_NS, version, data, np.zeros(0, np.int64), visible_from_ns)


def with_doubles(cursor: Cursor, rendering: Rendering, view: TableView, selection: Selection) -> TableView:
    """The view with the times, within the selection, at which a key is there twice."""
    key = [column for column in view.schema.scanned if column.kind in {"dimension", "measure_name", "time"}]
    stored = replace(view.schema, columns=view.schema.scanned, stored=())
    rows = rendering.text(replace(view, schema=stored), selection)
    time = f'"{layout.TIME_NS}"'
    found = run(cursor, f"SELECT DISTINCT {time} FROM {rows} GROUP BY {names(key)} HAVING count(*) > 1 ORDER BY {time}")
    return replace(view, superseded_ns=found[0].to_numpy())
