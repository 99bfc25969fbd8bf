"""Files that are complete or absent after a power failure: written elsewhere, fsync'ed, renamed.

Only what was fsync'ed survives, and a name only by an fsync of its folder. What a killed process has written is
visible, but perhaps not durable: each process calls `make_all_durable` before it builds on it.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MOST_DURABLE = 100_000
_durable: set[Path] = set()  # folders whose names survive: made, or checked, by this process
_making = threading.Lock()


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, durably; after a failure it is unchanged."""
    aside = path.with_name(path.name + ".new")
    write_durably(aside, data)
    put_in_place(aside, path)


def write_durably(path: Path, data: bytes) -> None:
    """Write the file at `path` and fsync it; a power failure in between may leave a part of it."""
    with _named(path), path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def put_in_place(whole: Path, path: Path) -> None:
    """Rename a durable file to `path`, durably; replaces an existing file."""
    whole.replace(path)
    fsync_folder(path.parent)


def read_if_there(path: Path) -> bytes | None:
    """The content of a file that others may remove; None if it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def make_folders(path: Path) -> None:
    """Create the folder at `path` and its missing parents; all their names are durable then, whoever created them."""
    if path in _durable and path.is_dir():
        return
    with _making:
        if len(_durable) > _MOST_DURABLE:
            _durable.clear()
        missing = list(itertools.takewhile(lambda folder: not folder.exists(), _upwards(path)))
        _durable.difference_update(missing)
        path.mkdir(parents=True, exist_ok=True)
        for folder in _upwards(path):
            if folder in _durable or (folder not in missing and not _may_be_ours(folder)):
                break
            fsync_folder(folder.parent)
            _durable.add(folder)


def _upwards(path: Path) -> Iterator[Path]:
    yield path
    yield from path.parents


def _may_be_ours(folder: Path) -> bool:
    """Whether this user may have created `folder`, so that its name may not be durable yet."""
    return not folder.is_mount() and os.access(folder.parent, os.R_OK | os.W_OK)


def make_all_durable(folder: Path) -> None:
    """Make everything written until now to the file system of `folder` survive a power failure, also by others."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            syncfs = ctypes.CDLL(None, use_errno=True).syncfs
        except AttributeError:  # it is Linux's
            os.sync()
            return
        if syncfs(descriptor):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(folder))
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Make the content of the file at `path` survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with _named(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of calls on descriptors name no file: say which it was."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def fsync_folder(path: Path) -> None:
    """Make changes of names in the folder at `path` survive a power failure."""
    fsync_file(path)
