"""Verifies the file of an archive, and changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pipeline.alerting.archive.sealing import is_whole, sealed_tables
from pipeline.base.sqlite_files import aside, examine


def verify(path: Path, *, is_running: bool) -> Iterator[str]:
    """What is damaged in the file. The WAL of a running worker changes while it is read, so it is left out."""
    if not path.exists():
        return
    if not is_running and (lost := aside.pages_hidden(path)):
        yield f"its WAL is damaged: SQLite would drop {lost} pages"
    try:
        fault = examine.fault_of(path, is_deep=True)
        if fault is not None:
            yield fault
            return
        with closing(examine.open_to_read(path)) as db:
            for table in sealed_tables(db):
                for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608  # a name of ours
                    if not is_whole(table, row):
                        yield f"row {row[0]!r} of {table} does not match its checksum"
    except sqlite3.Error as error:
        yield str(error)
