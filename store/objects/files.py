"""Files that are whole or absent after a power failure: written aside, fsync'ed, renamed, their folder fsync'ed."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, durably, or leave it as it was."""
    aside = path.with_name(path.name + ".new")
    write_durably(aside, data)
    put_in_place(aside, path)


def write_durably(path: Path, data: bytes) -> None:
    """Write the file at `path`; a power failure meanwhile may leave a part of it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def put_in_place(whole: Path, path: Path) -> None:
    """Give a file that is written, durably, its name; one that had the name goes."""
    whole.replace(path)
    fsync_folder(path.parent)


def make_folders(path: Path) -> None:
    """Create the folder at `path` and its missing parents, durably."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        fsync_folder(folder.parent)


def fsync_file(path: Path) -> None:
    """What was written to the file at `path` survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(path: Path) -> None:
    """Names created in, or removed from, the folder at `path` survive a power failure."""
    fsync_file(path)
