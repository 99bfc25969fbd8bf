"""Rows of one table in memory, for one transaction: each is read once, and written once if it has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Generic, TypeVar

from pipeline.alerting.archive.sealing import write_sealed

Row = TypeVar("Row")


class Table(Generic[Row]):
    """The rows of the table `name` that are held, by their key. They may be changed, added and removed until `write`.

    `of` is a dataclass with the columns of the table, of which the first is the primary key.
    """

    def __init__(self, db: sqlite3.Connection, name: str, of: type[Row], key: Callable[[Row], Hashable]) -> None:
        self.rows: dict[Hashable, Row] = {}
        self._db = db
        self._name = name
        self._of = of
        self._key = key
        columns = [column.name for column in fields(of)]  # type: ignore[arg-type]  # Row is a dataclass
        self._values = attrgetter(*columns)
        self._delete = f"DELETE FROM {name} WHERE {columns[0]} = ?"  # noqa: S608  # names of ours
        self._read: dict[Hashable, tuple[Any, ...]] = {}

    def hold(self, values: Sequence[Any]) -> Row:
        """The row that has these values in the file. If it is held already, it is as it was changed since."""
        row = self._of(*values)
        key = self._key(row)
        if key not in self.rows:
            self.rows[key] = row
            self._read[key] = tuple(values)
        return self.rows[key]

    def add(self, row: Row) -> None:
        """Hold a row that is not in the file, or is to replace one."""
        self.rows[self._key(row)] = row

    def write(self) -> None:
        """Write what has changed, and hold nothing any more."""
        gone = [(values[0],) for key, values in self._read.items() if key not in self.rows]
        held = ((key, self._values(row)) for key, row in self.rows.items())
        changed = [values for key, values in held if values != self._read.get(key)]
        self._db.executemany(self._delete, gone)
        write_sealed(self._db, self._name, changed)
        self.rows.clear()
        self._read.clear()
