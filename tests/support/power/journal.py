"""The recorder of file operations: built, given to processes, read. Its other half is recorder.c (the same layouts).

The recorder is a library for LD_PRELOAD. The journal has every change below one folder, of all processes, in the
order in which it happened, with what was written; and the marks of the test: what was promised to somebody, and when.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SOURCE = Path(__file__).with_name("recorder.c")
BUILT = Path(__file__).parents[3] / ".cache" / "recorder"
_HEAD = struct.Struct("<IBBIQQHH")
_MARK = ord("M")
CREATED, TRUNCATED = 1, 2
CREATE, WRITE, TRUNCATE, RENAME, UNLINK, MKDIR, FSYNC = 1, 2, 4, 8, 16, 32, 64
_FAULT_AT = 128  # after the mutex
_FAULT = struct.Struct("<iiiiii256s")


@lru_cache
def library() -> Path:
    """The recorder, compiled once for each text of it."""
    built = BUILT / f"{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if not built.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        aside = built.with_suffix(f".{os.getpid()}")
        options = ("-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-Wno-nonnull-compare")
        subprocess.run(["gcc", *options, "-o", str(aside), str(SOURCE), "-ldl", "-lpthread"], check=True)
        aside.rename(built)
    return built


@dataclass(frozen=True, slots=True)
class Record:
    """One operation: O open, W write, T/P truncate, S fsync, Y syncfs, s failed fsync, R rename, L link, U unlink,
    D mkdir, X rmdir, m shared mapping, M mark, ? what the recorder does not follow.
    """

    op: str
    flags: int
    pid: int
    handle: int
    offset: int
    path: str
    path2: str
    data: bytes


@dataclass(frozen=True)
class Recorder:
    """Records what happens below `root`; its own files are beside it, in `folder`."""

    folder: Path
    root: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def control(self) -> Path:
        return self.folder / "control"

    @contextmanager
    def preloaded(self) -> Iterator[None]:
        """Processes that are started within the block are recorded."""
        self.root.mkdir(parents=True, exist_ok=True)
        wanted = {
            "LD_PRELOAD": str(library()),
            "DISK_ROOT": str(self.root.resolve()),
            "DISK_JOURNAL": str(self.journal),
            "DISK_CONTROL": str(self.control),
        }
        kept = {name: os.environ.get(name) for name in wanted}
        os.environ |= wanted
        try:
            yield
        finally:
            for name, value in kept.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value

    def mark(self, text: str) -> None:
        """Write a mark; what was recorded before it happened before it."""
        data = text.encode()
        head = _HEAD.pack(_HEAD.size + len(data), _MARK, 0, os.getpid(), 0, 0, 0, 0)
        descriptor = os.open(self.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(descriptor, head + data)
        finally:
            os.close(descriptor)

    def delay_syncs(self, seconds: float) -> None:
        """Each fsync takes so much longer, so that what should wait for it and does not is seen."""
        with self._shared() as page:
            struct.pack_into("<i", page, _FAULT_AT + 20, int(seconds * 1e6))

    def fail(self, calls: int, pattern: str, error: int, *, skip: int = 0, times: int = 1) -> None:
        """The next `times` (-1: all) of these calls on files that match, after `skip` of them, fail with `error`."""
        with self._shared() as page:
            delay = struct.unpack_from("<i", page, _FAULT_AT + 20)[0]
            _FAULT.pack_into(page, _FAULT_AT, 0, skip, error, calls, 0, delay, pattern.encode())
            struct.pack_into("<i", page, _FAULT_AT, times)  # last: it switches the rest on

    def heal(self) -> None:
        """Nothing fails any more."""
        with self._shared() as page:
            struct.pack_into("<i", page, _FAULT_AT, 0)

    def failures(self) -> int:
        """How many calls failed since the last `fail`."""
        with self._shared() as page:
            return int(struct.unpack_from("<i", page, _FAULT_AT + 16)[0])

    @contextmanager
    def _shared(self) -> Iterator[mmap.mmap]:
        with self.control.open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:
            yield page

    def records(self) -> list[Record]:
        """Everything until now."""
        return list(_decode(self.journal.read_bytes()))


def _decode(data: bytes) -> Iterator[Record]:
    at = 0
    while at < len(data):
        size, op, flags, pid, handle, offset, path_size, path2_size = _HEAD.unpack_from(data, at)
        path_at = at + _HEAD.size
        path2_at = path_at + path_size
        data_at = path2_at + path2_size
        path, path2 = data[path_at:path2_at].decode(), data[path2_at:data_at].decode()
        yield Record(chr(op), flags, pid, handle, offset, path, path2, data[data_at : at + size])
        at += size
