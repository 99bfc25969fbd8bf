"""The text that reads a table on one cursor: registers what it names, and decides how superseded times are named."""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa

from store import layout
from store.engine.duck import Cursor
from store.reading.scan import Selection, TableView, text
from store.reading.series import LISTED


class Rendering:
    """The registered tables of a cursor, and texts that name them."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._names: list[str] = []

    def register(self, kind: str, rows: pa.Table) -> str:
        """Register `rows`; returns their name in queries of this cursor."""
        name = f"{kind}_{len(self._names)}"
        self._names.append(name)
        self._cursor.register(name, rows)
        return name

    def text(self, view: TableView, selection: Selection) -> str:
        """The parenthesised subquery for the selected rows of `view`."""
        times = view.superseded_ns
        times = times[np.searchsorted(times, selection.from_ns) : np.searchsorted(times, selection.to_ns)]
        relation = functools.partial(view.data.relation, self._cursor)
        if not len(times):
            return text(view, selection, None, relation)
        if len(times) <= LISTED:
            return text(view, selection, ", ".join(map(str, times.tolist())), relation)
        name = self.register("superseded", pa.table({layout.TIME_NS: times}))
        return text(view, selection, f'SELECT "{layout.TIME_NS}" FROM {name}', relation)
