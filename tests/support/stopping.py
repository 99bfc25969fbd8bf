"""A process that stands still: SIGSTOP alone is a wish, on a busy machine its threads may run on for a while."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.waiting import wait_for

_STOPPED = "Tt"  # by a signal, by a tracer
_ENDED = "ZX"


def stand_still(pid: int) -> None:
    """SIGSTOP, and wait until each thread of the process has stopped; SIGCONT lets it go on."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: _stands_still(pid), f"process {pid} stands still", every_s=0.001)


def _stands_still(pid: int) -> bool:
    return all(state in _STOPPED + _ENDED for state in _states(pid))


def _states(pid: int) -> list[str]:
    """A letter for each thread: proc_pid_stat(5)."""
    states = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            line = (task / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        states.append(line.rpartition(")")[2].split()[0])
    return states
