"""Suspends a process reliably: after SIGSTOP alone its threads may run on for a while on a busy machine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.waiting import wait_for

_STOPPED = "Tt"  # by a signal, by a tracer
_ENDED = "ZX"


def stand_still(pid: int) -> None:
    """SIGSTOP, and wait until each thread of the process has stopped; continues it with SIGCONT at the end."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: _stands_still(pid), f"process {pid} stands still", every_s=0.001)


def _stands_still(pid: int) -> bool:
    return all(state in _STOPPED + _ENDED for state in _states(pid))


def _states(pid: int) -> list[str]:
    """The state letter of each thread: proc_pid_stat(5)."""
    states = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            line = (task / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        states.append(line.rpartition(")")[2].split()[0])
    return states
