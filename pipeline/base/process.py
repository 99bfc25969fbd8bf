"""Child processes that end with their parent, however it ends, and descriptions of processes.

Linux only, because of prctl and /proc; on other systems children end only by a graceful stop, and descriptions are
short.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(parent_pid: int | None = None) -> None:
    """In a child between fork and exec (`preexec_fn`): make the kernel kill this process when its parent dies.

    SIGKILL, because nobody would be left to supervise a graceful end. The parent's *thread* counts as the parent
    (prctl(2)): start children from the main thread. If `parent_pid` is given, the death of the parent before this call
    is noticed.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent_pid is not None and os.getppid() != parent_pid:
        os._exit(1)


def keep_existing_objects() -> None:
    """Let the garbage collector leave alone what exists now, and look at the rest seldom.

    With Python's own thresholds it visits all sessions, or all series, again and again while they become more: more
    than half the time that a new series takes.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def describe(pid: int) -> str:
    """`process 4711 (mosquitto -v)`; without the command if the system does not show it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    command = " ".join(word.decode(errors="replace") for word in words if word)
    return f"process {pid} ({command[:200]})" if command else f"process {pid}"
