"""At most one `up` and one worker per data_dir."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.base.errors import DataDirLocked
from pipeline.base.process import describe
from store.objects.file_lock import FileLock, Taken
from store.objects.files import make_folders


@contextmanager
def sole(path: Path, what: str = "streamgauge up") -> Iterator[None]:
    """Hold the lock at `path`, in the run folder of a data_dir.

    Raises DataDirLocked, which names the process that holds it.
    """
    make_folders(path.parent)
    try:
        lock = FileLock(path)
    except Taken as taken:
        who = "another process" if taken.holder is None else describe(taken.holder)
        raise DataDirLocked(
            f"{path.parent.parent} is in use: {who} runs `{what}` on it; end that one, or name another "
            "folder with --data-dir"
        ) from None
    with lock:
        yield
