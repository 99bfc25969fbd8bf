"""Copies the file of an archive for a backup, while it is written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pipeline.base.errors import ArchiveError
from pipeline.base.sqlite_files import copying


def copy_archive(path: Path, target: Path) -> None:
    """Copy the archive at `path`, as it is at one moment, to `target`. Raises ArchiveError."""
    try:
        copying.copy(path, target)
    except sqlite3.Error as error:
        raise ArchiveError(f"{path}: {error}; `streamgauge doctor --deep` says what is damaged") from error
