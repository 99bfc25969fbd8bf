"""Looks at a SQLite file that nobody uses, and reads what can be read of a damaged one. Changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PROBED_MOST = 100_000  # keys between the readable ends of a table
_HEADER_BYTES = 100


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite found the file itself wrong, and not its use, the disk or another process."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def open_to_read(path: Path) -> sqlite3.Connection:
    """The file, including its WAL, which is left as it is when the connection is closed."""
    # without a WAL nobody uses it, and SQLite would create one
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)


def fault_of(path: Path, *, is_deep: bool = False) -> str | None:
    """What is wrong with the structure of the file; None if nothing is. Reads all of it.

    `is_deep`: compares indexes with their tables, too.
    """
    check = "integrity_check" if is_deep else "quick_check"
    try:
        with closing(open_to_read(path)) as db:
            (told,) = db.execute(f"PRAGMA {check}(1)").fetchone()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return str(error)
    return None if told == "ok" else " ".join(str(told).split())


def readable_rows(db: sqlite3.Connection, table: str, key: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a table with an integer key, `key`, its first column, that can be read, in any order.

    Reads from both ends up to the first damaged page, and then looks for each key in between.
    """
    last: dict[str, int | None] = {"ASC": None, "DESC": None}
    for order in last:
        try:
            for row in db.execute(f"SELECT * FROM {table} ORDER BY {key} {order}"):  # noqa: S608  # constants
                if order == "DESC" and last["ASC"] is not None and row[0] <= last["ASC"]:
                    return
                last[order] = row[0]
                yield row
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
        else:
            return
    first, end = last["ASC"], last["DESC"]
    if first is None or end is None:
        return
    for each in range(first + 1, min(end, first + _PROBED_MOST)):
        try:
            yield from db.execute(f"SELECT * FROM {table} WHERE {key} = ?", (each,))  # noqa: S608  # as above
        except sqlite3.Error as error:
            if not is_damage(error):
                raise


def with_first_page(path: Path, whole: Path) -> None:
    """Give the file at `path` the first page of `whole`, a new file of the same schema, with its own size in it.

    The first page has the header and the schema. Without it nothing can be read.
    """
    page = bytearray(whole.read_bytes())
    page_bytes = int.from_bytes(page[16:18]) or 65536
    page = page[:page_bytes]
    page[28:32] = (path.stat().st_size // page_bytes).to_bytes(4)
    page[32:40] = bytes(8)  # no list of free pages
    with path.open("r+b") as file:
        file.write(page)
