"""What a process that may need any time and memory puts on itself, so that the worker's process does not pay for it."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

NICENESS = 10  # the stream and small lists come first


def come_last() -> None:
    """For the processor, and first for the kernel if memory is short."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_memory(more_bytes: int) -> None:
    """Allocations fail beyond so many bytes above what it has now."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
        most = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
