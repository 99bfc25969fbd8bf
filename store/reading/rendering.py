"""The text that reads a table on one cursor: registers what it names, and decides how superseded times are named."""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pyarrow as pa

from store import layout
from store.engine.duck import Cursor
from store.errors import DamagedRows
from store.reading.scan import Relation, Selection, TableView, text
from store.reading.series import LISTED

T = TypeVar("T")
Pinned = TypeVar("Pinned")


def text_of_sound(view: Callable[[], Pinned], text_of: Callable[[Pinned], T], drop_damaged: Callable[[str], bool]) -> T:
    """The text that reads a table, or whatever contains it, whose files are checked as it is made.

    view          pins the table: the newest version, when it is called again
    drop_damaged  has a damaged file removed from the table; returns whether the next view does without it

    Raises DamagedRows if it does not.
    """
    while True:
        pinned = view()
        try:
            return text_of(pinned)
        except DamagedRows as error:
            if not drop_damaged(error.path):
                raise


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
        return text(view, selection, self.superseded(view, selection), self.relation(view))

    def relation(self, view: TableView) -> Relation:
        """What reads files of `view`."""
        return functools.partial(view.data.relation, self._cursor)

    def superseded(self, view: TableView, selection: Selection) -> str | None:
        """The text of an IN list of the superseded times in the selected range; None if there are none."""
        times = view.superseded_ns
        times = times[np.searchsorted(times, selection.from_ns) : np.searchsorted(times, selection.to_ns)]
        if len(times) > LISTED:
            name = self.register("superseded", pa.table({layout.TIME_NS: times}))
            return f'SELECT "{layout.TIME_NS}" FROM {name}'
        return ", ".join(map(str, times.tolist())) or None
