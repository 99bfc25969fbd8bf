"""Files that are complete or absent after a power failure: written elsewhere, fsync'ed, renamed."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, durably; after a failure it is unchanged."""
    aside = path.with_name(path.name + ".new")
    write_durably(aside, data)
    put_in_place(aside, path)


def write_durably(path: Path, data: bytes) -> None:
    """Write the file at `path` and fsync it; a power failure in between may leave a part of it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def put_in_place(whole: Path, path: Path) -> None:
    """Rename a durable file to `path`, durably; replaces an existing file."""
    whole.replace(path)
    fsync_folder(path.parent)


def make_folders(path: Path) -> None:
    """Create the folder at `path` and its missing parents, durably."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        fsync_folder(folder.parent)


def fsync_file(path: Path) -> None:
    """Make the content of the file at `path` survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(path: Path) -> None:
    """Make changes of names in the folder at `path` survive a power failure."""
    fsync_file(path)
