"""Tells a process at once that others have written to some files: inotify(7), where the system has it.

To look again and again costs more: waking up is what takes the time; every 2 ms, it took 5 % of a core.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

_MODIFY, _OVERFLOWED = 0x2, 0x4000  # linux/inotify.h
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of a name, which follows; files have none
_READ_BYTES = 256 * _EVENT.size


class FileWatch:
    """Watches existing files, until `close`. `fileno` is readable when one was written."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Watch them. Raises OSError if the system cannot."""
        if sys.platform != "linux":
            raise OSError("inotify is of Linux")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._files: dict[int, Path] = {}
        try:
            for file in files:
                added = self._libc.inotify_add_watch(self._descriptor, os.fsencode(file), _MODIFY)
                self._files[self._checked(added)] = file
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """For a selector, or an event loop."""
        return self._descriptor

    def take(self) -> set[Path]:
        """The files written since the last call. Does not block."""
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return set()
        events = [(watch, mask) for watch, mask, *_ in _EVENT.iter_unpack(data)]
        if any(mask & _OVERFLOWED for _, mask in events):
            return set(self._files.values())
        return {self._files[watch] for watch, _ in events if watch in self._files}

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._descriptor)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


def watch(files: Sequence[Path]) -> FileWatch | None:
    """A watch of these files; None if the system cannot watch them."""
    try:
        return FileWatch(files)
    except OSError:
        return None
