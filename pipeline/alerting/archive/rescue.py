"""Repairs the file of an archive before it is opened: its WAL, or, from what can be read of it, all of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from pipeline.alerting.archive.sealing import COLUMN, KIND, is_whole, sealed_tables
from pipeline.base.sqlite_files import aside, examine
from store.objects.damage import Outcome, report


def repair_wal(path: Path) -> None:
    """Repair the WAL, or set one aside whose file is missing."""
    if not path.exists():
        if aside.wal_of(path).exists():
            place = aside.set_aside(path)
            report(KIND, f"{path} is missing, and starts empty; its WAL is {place}{aside.WAL}", Outcome.LOST)
        return
    found = aside.repair_wal_of(path, aside.page_bytes_of(path))
    if found is not None:
        told = f"{found.repaired} repaired, {found.damaged} damaged in more than one bit"
        report("wal", f"{aside.wal_of(path)}: SQLite would have dropped {found.frames} pages: {told}", Outcome.REPAIRED)


def set_aside_damaged(path: Path) -> tuple[Path, str] | None:
    """Set the file aside if SQLite cannot read it; returns its place, and what is wrong."""
    fault = examine.fault_of(path, is_deep=True) if path.exists() else None
    return None if fault is None else (aside.set_aside(path), fault)


def copy_readable(place: Path, path: Path, db: sqlite3.Connection, fault: str, make: Callable[[Path], None]) -> None:
    """Copy all whole rows of a damaged file at `place` into a new one, in the caller's transaction.

    `make` makes an empty file of the same schema.
    """
    copy = place.with_name(f"{place.name}.reading")
    count = 0
    tables = sealed_tables(db)
    for is_first_page_made in (False, True):
        shutil.copyfile(place, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(aside.wal_of(place), aside.wal_of(copy))
        if is_first_page_made:
            empty = place.with_name(f"{place.name}.empty")
            make(empty)
            examine.with_first_page(copy, empty)
            empty.unlink()
        with closing(examine.open_to_read(copy)) as source:
            for table, columns in tables.items():
                with suppress(sqlite3.OperationalError):  # the table is not in what can be read
                    for row in examine.readable_rows(source, table, columns[0]):
                        if len(row) == len(columns) + 1 and is_whole(table, row):
                            named = ", ".join((*columns, COLUMN))
                            marks = ", ".join("?" * len(row))
                            sql = f"INSERT OR IGNORE INTO {table} ({named}) VALUES ({marks})"  # noqa: S608  # names of ours
                            count += db.execute(sql, row).rowcount
        for suffix in ("", aside.WAL, aside.SHM):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
        if count:
            break
    report(
        KIND,
        f"{path}: {fault}; {count} rows could be read and are kept, the others are lost; the damaged file is {place}",
        Outcome.LOST,
    )
