"""One `up`, and one worker, per data_dir: locks that the kernel lets go when their process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.base.errors import DataDirLocked
from pipeline.base.process import describe


@contextmanager
def sole(path: Path, what: str = "streamgauge up") -> Iterator[None]:
    """Hold the lock at `path`, which is in a data_dir's run folder. Raises DataDirLocked, naming who has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 32, 0).decode()
            who = describe(int(holder)) if holder.isdigit() else "another process"
            raise DataDirLocked(
                f"{path.parent.parent} is in use: {who} runs `{what}` on it; end that one, or name another "
                "folder with --data-dir"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)
