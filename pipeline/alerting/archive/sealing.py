"""Checksums of the rows of an archive: tables with a column `checksum` have that of the other columns in it.

They are written by temporary triggers of the writing connection, whatever statement changes a row, so other programs
can open the file. All rows are checked when the file is opened, because a filter would miss a damaged one, and each
again when it is read. A single flipped bit is repaired. A row that is damaged more is set aside, in `damaged/`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.base.sqlite_files.aside import FOLDER
from store.objects.checksum import checksum, matches, repair
from store.objects.damage import Outcome, report
from store.objects.files import make_folders, write_durably

COLUMN = "checksum"
KIND = "archive"
_decoder = msgspec.msgpack.Decoder(list[Any])


def sealed_tables(db: sqlite3.Connection) -> dict[str, list[str]]:
    """The tables with checksums: their other columns, of which the first is the key."""
    names = [row[0] for row in db.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name")]
    columns = {name: [row[1] for row in db.execute(f"PRAGMA main.table_info({name})")] for name in names}
    return {name: of[:-1] for name, of in columns.items() if of[-1] == COLUMN}


def seal_writes(db: sqlite3.Connection) -> None:
    """Have this connection write the checksum of each row that it updates, or inserts without one."""
    _make_function(db)
    for table, columns in sealed_tables(db).items():
        new = ", ".join(f"NEW.{column}" for column in columns)
        for event, when in (("INSERT", f" WHEN NEW.{COLUMN} IS NULL"), (f"UPDATE OF {', '.join(columns)}", "")):
            db.execute(
                f"CREATE TEMP TRIGGER sealed_{table}_{event[:6]} AFTER {event} ON main.{table}{when} BEGIN "  # noqa: S608  # names of ours
                f"UPDATE {table} SET {COLUMN} = row_checksum('{table}', {new}) "
                f"WHERE {columns[0]} = NEW.{columns[0]}; END"
            )


def write_sealed(
    db: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]], *, otherwise: str = "REPLACE"
) -> int:
    """Insert whole rows, with their checksums. Returns how many were.

    `otherwise`: what happens to a row that is there already, `REPLACE` or `IGNORE`.
    """
    if not rows:
        return 0
    marks = ", ".join("?" * (len(rows[0]) + 1))
    sealed = [(*row, row_checksum(table, row)) for row in rows]
    return db.executemany(f"INSERT OR {otherwise} INTO {table} VALUES ({marks})", sealed).rowcount  # noqa: S608  # names of ours


def add_checksums(db: sqlite3.Connection, tables: Sequence[str]) -> None:
    """Add the columns to a file of format 1, and the checksums of its rows."""
    for table in tables:
        db.execute(f"ALTER TABLE {table} ADD COLUMN {COLUMN} BLOB")
    seal_rows(db, tables)


def seal_rows(db: sqlite3.Connection, tables: Sequence[str]) -> None:
    """Write the checksum of all rows of these tables."""
    _make_function(db)
    columns_of = sealed_tables(db)
    for table in tables:
        columns = columns_of[table]
        db.execute(f"UPDATE {table} SET {COLUMN} = row_checksum('{table}', {', '.join(columns)})")  # noqa: S608  # as above


def check_all(db: sqlite3.Connection, path: Path) -> None:
    """Check all rows, in the caller's transaction: repair, or set aside."""
    for table, columns in sealed_tables(db).items():
        damaged = [row for row in db.execute(f"SELECT * FROM {table}") if not is_whole(table, row)]  # noqa: S608  # as above
        for row in damaged:
            key = row[0]
            values = _repaired(table, row)
            if values is None:
                place = _set_aside(path, table, row)
                db.execute(f"DELETE FROM {table} WHERE {columns[0]} = ?", (key,))  # noqa: S608  # as above
                report(KIND, f"{path}: row {key!r} of {table} does not match its checksum; it is {place}", Outcome.LOST)
            else:
                set_values = ", ".join(f"{column} = ?" for column in columns)
                db.execute(f"UPDATE {table} SET {set_values} WHERE {columns[0]} = ?", (*values, key))  # noqa: S608  # as above
                report(KIND, f"{path}: row {key!r} of {table}: one bit was flipped, and is repaired", Outcome.REPAIRED)


def whole_rows(table: str, rows: Sequence[sqlite3.Row], path: Path) -> Iterator[Mapping[str, Any]]:
    """The rows as they were written; without those that are damaged, which the next start repairs or sets aside."""
    for row in rows:
        named = {name: row[name] for name in row.keys()}  # noqa: SIM118  # a Row iterates over its values
        if is_whole(table, row):
            yield named
            continue
        values = _repaired(table, row)
        outcome = Outcome.LOST if values is None else Outcome.REPAIRED
        report(KIND, f"{path}: row {row[0]!r} of {table} does not match its checksum; restart to repair it", outcome)
        if values is not None:
            yield dict(zip(named, values, strict=False))


def is_whole(table: str, row: Sequence[Any]) -> bool:
    """Whether a row, with its checksum last, is as it was written."""
    return type(row[-1]) is bytes and matches(_content(row[:-1]), table, row[-1])


def row_checksum(table: str, values: Sequence[Any]) -> bytes:
    """The checksum of a row, by its other columns in their order."""
    return checksum(_content(values), table)


def _make_function(db: sqlite3.Connection) -> None:
    db.create_function("row_checksum", -1, lambda table, *values: row_checksum(table, values), deterministic=True)


def _content(values: Sequence[Any]) -> bytes:
    return msgspec.msgpack.encode(tuple(values))


def _repaired(table: str, row: Sequence[Any]) -> list[Any] | None:
    if type(row[-1]) is not bytes:
        return None
    content = repair(_content(row[:-1]), table, row[-1])
    return None if content is None else _decoder.decode(content)


def _set_aside(path: Path, table: str, row: Sequence[Any]) -> Path:
    folder = path.parent / FOLDER
    make_folders(folder)
    place = folder / f"{path.name}.{table}.{str(row[0])[:60].replace('/', '_')}"
    write_durably(place, _content(tuple(row)))
    return place
