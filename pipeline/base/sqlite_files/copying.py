"""Copies a SQLite file as it is at one moment, while others write to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pipeline.base.sqlite_files.examine import open_to_read


def copy(path: Path, target: Path) -> None:
    """Copy the file at `path`, with its WAL, to `target`, which must not exist. Raises sqlite3.Error.

    In one step, because SQLite would begin again after each commit of others in between; meanwhile their WAL grows.
    """
    with closing(open_to_read(path)) as source, closing(sqlite3.connect(target)) as copied:
        source.backup(copied)
