"""SQLite files as the statements that make them: what stands in a file, without the pages of this SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def dump(path: Path) -> bytes:
    """The statements, and the version that the file says it has."""
    with closing(sqlite3.connect(path)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        return "\n".join([f"PRAGMA user_version={version};", *db.iterdump(), ""]).encode()


def restore(path: Path, statements: bytes) -> None:
    """Make the file."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(statements.decode())
