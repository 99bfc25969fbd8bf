"""File locks between processes; the kernel releases them when a process ends for any reason."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self


class Taken(Exception):  # named after the event
    """Another process has the lock; `holder` is its process id, None if that is unknown."""

    def __init__(self, path: Path, holder: int | None) -> None:
        super().__init__(f"{path} is held by process {holder or 'unknown'}")
        self.holder = holder


class FileLock:
    """A lock on the file at `path`, which is created if missing, until `release`; it contains the process id."""

    def __init__(self, path: Path) -> None:
        """Acquire it, or raise Taken."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).strip()
            os.close(self._file)
            raise Taken(path, int(holder) if holder.isdigit() else None) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Release it; calling it again has no effect."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class SharedLock:
    """A lock on the file at `path`, which is created if missing, that any number of users share until `release`.

    `is_alone`: nobody else has it, and nobody gets it before `share`.
    """

    def __init__(self, path: Path) -> None:
        """Acquire it alone if that is possible; else wait until it can be shared."""
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.is_alone = True
        except BlockingIOError:
            fcntl.flock(self.descriptor, fcntl.LOCK_SH)
            self.is_alone = False

    def share(self) -> None:
        """Let others share it."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)
        self.is_alone = False

    def release(self) -> None:
        """Release it; calling it again has no effect."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait for and hold exclusive access among all processes; `path` is a folder, or a file, created if necessary."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    file = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
