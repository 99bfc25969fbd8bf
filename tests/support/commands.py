"""How tests start the product's commands: as users do, or forked from a zygote, which leaves out the imports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.support.waiting import wait_for

COMMAND = (sys.executable, "-m", "pipeline.operations.cli")
OF_A_ZYGOTE = ("PYTHON", "FAULT_", "LD_PRELOAD")
"""The first letters of the variables that are read at import: each choice has a zygote of its own."""
ROOT = Path(__file__).parents[2]


class Running(Protocol):
    """What both have in common."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def send_signal(self, sig: int, /) -> None: ...

    def wait(self, timeout: float | None = None) -> int: ...


class Begin(Protocol):
    """Starts a command with these arguments; what it prints is appended to the file."""

    def __call__(self, arguments: Sequence[str], output: Path) -> Running: ...


def execute(arguments: Sequence[str], output: Path) -> Running:
    """The real command, with an interpreter of its own."""
    with output.open("ab") as file:
        return subprocess.Popen([*COMMAND, *arguments], stdout=file, stderr=file)


def fork(arguments: Sequence[str], output: Path) -> Running:
    """The same, forked; where a library is to be loaded before all others, executed."""
    if "LD_PRELOAD" in os.environ:
        return execute(arguments, output)
    key = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(OF_A_ZYGOTE)))
    key = tuple(one for one in key if one[0] != "FAULT_FOLDER")
    zygote = _zygotes.get(key)
    if zygote is None:
        zygote = _zygotes[key] = _Zygote()
    return _Forked(zygote, arguments, output)


begin: Begin = execute
"""What is used where nothing else is asked for; the conftest of all tests makes it `fork`."""


class _Zygote:
    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        with other:
            command = [sys.executable, "-m", "tests.support.zygote", str(other.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[other.fileno()], cwd=ROOT, stdout=subprocess.DEVNULL)
        self._answers = self._socket.makefile()
        self._asking = threading.Lock()

    def ask(self, **request: object) -> int | None:
        with self._asking:
            self._socket.sendall(f"{json.dumps(request)}\n".encode())
            answer: int | None = json.loads(self._answers.readline())
            return answer

    def end(self) -> None:
        self._answers.close()
        self._socket.close()
        self._process.wait(60)


_zygotes: dict[tuple[tuple[str, str], ...], _Zygote] = {}


def end_zygotes() -> None:
    """End all of this process."""
    while _zygotes:
        _zygotes.popitem()[1].end()


class _Forked:
    def __init__(self, zygote: _Zygote, arguments: Sequence[str], output: Path) -> None:
        self._zygote = zygote
        pid = zygote.ask(
            arguments=[*arguments],
            output=str(output.absolute()),
            environment=dict(os.environ),
            folder=str(Path.cwd()),
        )
        assert pid is not None
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._zygote.ask(pid=self.pid)
        return self.returncode

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.Signals(sig))

    def wait(self, timeout: float | None = None) -> int:
        wait_for(lambda: self.poll() is not None, f"process {self.pid} ends", timeout_s=timeout or 60, every_s=0.01)
        assert self.returncode is not None
        return self.returncode
