"""One supervised child process: starts it, passes its output on, restarts it when it ends, and ends it on request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Sequence
from functools import partial

from pipeline.base.process import end_with_parent
from store.values.backoff import Backoff, InARow

PassOn = Callable[[str, int, str], None]
"""Takes a child's output: its name, its pid, a line."""

# Short, because devices wait; a child that fails at once uses a fifth of a core.
BACKOFF = Backoff(first_s=0.5, longest_s=5.0)
_LAST_WORDS_TIMEOUT_S = 1.0  # a grandchild may hold the pipe open after the child has ended
_LONGEST_LINE_BYTES = 64 * 1024


class Child:
    """A command with a name. Await `keep_running` once; call the other methods from another task."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        say: Callable[[str], None],
        pass_on: PassOn,
        is_final: Callable[[int], bool],
        on_start: Callable[[], None],
    ) -> None:
        """`say` gets messages about the child, `pass_on` its output, line by line.

        `is_final` says whether an exit code would be the same after a restart; `on_start` is called after every start.
        """
        self.name = name
        self._command = command
        self._say = say
        self._pass_on = pass_on
        self._is_final = is_final
        self._on_start = on_start
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The pid of the running process, or None between two runs."""
        return None if self._process is None else self._process.pid

    async def keep_running(self) -> int:
        """Run it until it was stopped or ended for good; returns its last exit code (negative: a signal)."""
        in_a_row = InARow()
        code = 0
        try:
            while not self._stopping.is_set():
                started_s = time.monotonic()
                code = await self._run()
                if self._stopping.is_set() or self._is_final(code):
                    break
                wait_s = restart_after_s(in_a_row.ended(time.monotonic() - started_s))
                self._say(f"{self.name} {_ending(code)}; starting it again" + (f" in {wait_s:g} s" if wait_s else ""))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait_s)
        finally:
            self._ended.set()
        return code

    def let_end(self) -> None:
        """Do not restart it any more when it ends: the signal that stops `up` may have reached it too."""
        self._stopping.set()

    async def stop(self, timeout_s: float) -> None:
        """End it with SIGTERM, and after `timeout_s` with SIGKILL; returns when it has ended."""
        self.let_end()
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._ended.wait(), timeout_s)
        except TimeoutError:
            self._say(f"{self.name} did not end within {timeout_s:g} s and is killed")
            self.kill()
            await self._ended.wait()

    def hang_up(self) -> None:
        """Send it SIGHUP: it loads the certificates again."""
        self._signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it now."""
        self.let_end()
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _run(self) -> int:
        """Run the command once, in its own process group: Ctrl-C reaches only `up`, which ends them in order."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            process_group=0,
            preexec_fn=partial(_begin, os.getpid()),
        )
        self._process = process
        self._on_start()
        if self._stopping.is_set():  # stopped during the start
            self._signal(signal.SIGTERM)
        assert process.stdout is not None
        output = asyncio.create_task(self._read(process.pid, process.stdout))
        code = await process.wait()
        self._process = None
        await asyncio.wait({output}, timeout=_LAST_WORDS_TIMEOUT_S)
        output.cancel()
        return code

    async def _read(self, pid: int, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(_LONGEST_LINE_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._pass_on(self.name, pid, line.decode(errors="replace"))
        if rest:
            self._pass_on(self.name, pid, rest.decode(errors="replace"))


def _begin(parent_pid: int) -> None:
    """In the child, before its program begins: ignore SIGHUP until the program handles it."""
    end_with_parent(parent_pid)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def restart_after_s(failures: int) -> float:
    """The delay before a child that ended `failures` times in a row is restarted: none the first time."""
    return BACKOFF.wait_s(failures - 1) if failures > 1 else 0.0
