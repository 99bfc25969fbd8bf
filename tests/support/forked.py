"""Workers forked from a process that has imported them: for tests of what a worker does, not of how it starts.

A start costs most of its CPU time for imports. The code that runs is the worker's own, in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

_forkserver = multiprocessing.get_context("forkserver")
_forkserver.set_forkserver_preload(["pipeline.worker.worker", "pipeline.operations.cli.options"])


def fork(run: Callable[..., Any], *arguments: object, output: Path) -> ForkServerProcess:
    """A process that calls a function of a module, started; what it prints is appended to `output`."""
    process = _forkserver.Process(target=_with_output, args=(output, run, arguments), daemon=True)
    process.start()
    return process


def _with_output(output: Path, run: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    run(*arguments)
