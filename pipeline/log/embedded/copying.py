"""Copies the embedded log for a backup, while it is written."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pipeline.base.errors import LogError
from pipeline.base.sqlite_files import copying
from pipeline.base.sqlite_files.examine import open_to_read
from pipeline.log import names
from pipeline.log.embedded.folder import read_description
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS

# What is made from another topic is copied before it
ORDER = (ALERTS, DEAD_LETTERS, READINGS)


def copy_log(folder: Path, target: Path, told: Callable[[Path], None]) -> dict[str, int]:
    """Copy the log into the new folder `target`; returns the first offset of each partition of [readings].

    `told` gets each file of the copy when it is made. Raises LogError.
    """
    target.mkdir()
    described = None
    for name in (names.DESCRIPTION, names.COPY):
        if (folder / name).exists():
            described = described or read_description(folder / name)
            told(Path(shutil.copyfile(folder / name, target / name)))
    if described is None:
        raise LogError(f"log folder {folder} has no {names.DESCRIPTION} that can be read: there is nothing to back up")
    for topic in ORDER:
        path, copied = names.topic_path(folder, topic), names.topic_path(target, topic)
        if not path.exists():
            continue
        try:
            copying.copy(path, copied)
        except sqlite3.Error as error:
            raise LogError(f"log {path}: {error}; `streamgauge doctor --deep` says what is damaged") from error
        told(copied)
    return _firsts(names.topic_path(target, READINGS), f"{described['log_id']}/{READINGS}")


def _firsts(path: Path, prefix: str) -> dict[str, int]:
    if not path.exists():
        return {}
    with closing(open_to_read(path)) as db:
        return {
            f"{prefix}/{partition}": first for partition, first in db.execute("SELECT partition, first FROM extent")
        }
