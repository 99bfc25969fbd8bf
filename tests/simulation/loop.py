"""An event loop with virtual time, for several simulated processes in one thread.

Nothing waits: if no callback is ready, the clock jumps to the next timer. What would run in a thread is one callback
after a random delay. A callback belongs to the process that scheduled it, by a context variable; those of a process
that was killed are skipped, so its tasks stop where they are, as by SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

NS = 1_000_000_000
STEPS_MOST = 400_000


class Killed(BaseException):
    """The process was killed in the middle of a function."""


class Clocks:
    """The clocks of the simulated host: time passes only when the loop waits; `step` sets the host's time."""

    def __init__(self, wall_ns: int) -> None:
        self.monotonic_ns = NS
        self._offset_ns = wall_ns - NS

    @property
    def wall_ns(self) -> int:
        return self.monotonic_ns + self._offset_ns

    def step(self, by_ns: int) -> None:
        self._offset_ns += by_ns


class Process:
    """A simulated process: a gateway or a worker."""

    def __init__(self, name: str, loop: Loop) -> None:
        self.name = name
        self.is_alive = True
        self.tasks: list[asyncio.Task[Any]] = []
        self._loop = loop
        self._context = contextvars.copy_context()
        self._context.run(_PROCESS.set, self)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run this in the process."""
        task = self._loop.create_task(work, context=self._context.copy())
        self.tasks.append(task)
        return task

    def call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Call this now, as the process."""
        return self._context.copy().run(work, *arguments)


_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def current() -> Process | None:
    """The process whose code runs now."""
    return _PROCESS.get()


class _Handle(asyncio.Handle):
    """What asyncio keeps in a handle, and its types do not tell."""

    _callback: Callable[..., Any]
    _context: contextvars.Context


class _Timer(_Handle, asyncio.TimerHandle):
    _when: float
    _scheduled: bool


class _NoSelector:
    def select(self, _timeout: float) -> list[Any]:
        return []

    def close(self) -> None:
        pass


class Server:
    """What `asyncio.Server` is to the listener."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make: Callable[[], Any] | None = make
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 1883

    def close(self) -> None:
        self.make = None


class Loop(asyncio.BaseEventLoop):
    """The loop; `rng` draws how long threads take, of `latencies_s`."""

    _ready: deque[_Handle]
    _scheduled: list[_Timer]

    def __init__(self, clocks: Clocks, rng: random.Random, latencies_s: Sequence[float]) -> None:
        super().__init__()
        self.clocks = clocks
        self.steps = 0
        self.server: Server | None = None  # of the gateway that listens now
        self.is_closing = False
        self._rng = rng
        self._latencies_s = latencies_s
        self._skipped: list[_Handle] = []  # of killed processes, until the end
        self._selector = _NoSelector()

    def time(self) -> float:
        return self.clocks.monotonic_ns / NS

    def _run_once(self) -> None:
        """Run one callback that is ready, the longest ready first; if there is none, let time pass."""
        self._run_one(self._next())

    def meanwhile(self, seconds: float, waits: Process | None) -> None:
        """Called from a thread that waits for a disk: run what is ready within this time, except other threads.

        `waits`: nothing of this process runs either.
        """
        until_ns = self.clocks.monotonic_ns + int(seconds * NS)
        threads = []
        while self._ready or (self._scheduled and self._scheduled[0]._when * NS <= until_ns):
            handle = self._next()
            process = handle._context.get(_PROCESS)
            if getattr(handle._callback, "is_thread", False) or (waits is not None and process is waits):
                threads.append(handle)
            else:
                self._run_one(handle)
        self._ready.extendleft(reversed(threads))

    def _next(self) -> _Handle:
        while self._scheduled and (self._scheduled[0]._cancelled or not self._ready):
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            if not timer._cancelled:
                self.clocks.monotonic_ns = max(self.clocks.monotonic_ns, round(timer._when * NS))
                self._ready.append(timer)
        if not self._ready:
            raise AssertionError("everything waits for ever")
        return self._ready.popleft()

    def _run_one(self, handle: _Handle) -> None:
        self.steps += 1
        if self.steps > STEPS_MOST:
            raise AssertionError("it does not come to an end")
        process = handle._context.get(_PROCESS)
        if process is None or process.is_alive or self.is_closing:
            if not handle._cancelled:
                handle._run()
        else:
            self._skipped.append(handle)

    def _process_events(self, _events: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def call_soon_threadsafe(  # type: ignore[override]  # whatever the arguments are
        self, callback: Any, *arguments: Any, context: Any = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *arguments, context=context)

    def run_in_executor(  # type: ignore[override]  # as above
        self, _executor: Any, work: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """Call it after a while, as a thread would come to it."""
        done: asyncio.Future[Any] = self.create_future()

        def run() -> None:
            if done.cancelled() or self.is_closing:
                return
            try:
                result = work(*arguments)
            except Killed:
                return
            except BaseException as error:  # noqa: BLE001  # it is the caller's
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        run.is_thread = True  # type: ignore[attr-defined]
        self.call_later(self._rng.choice(self._latencies_s), run)
        return done

    async def create_server(self, make: Callable[[], Any], *_: Any, **__: Any) -> Any:  # type: ignore[override]
        self.server = Server(make)
        return self.server

    def end(self, processes: list[Process]) -> None:
        """Unwind the tasks of all processes, without their effects, and close."""
        self.is_closing = True
        self._ready.extend(self._skipped)
        tasks = [task for process in processes for task in process.tasks]
        for _ in range(3):
            pending = {task for task in asyncio.all_tasks(self) if not task.done()}
            for task in pending:
                task.cancel()
            if not pending:
                break
            with contextlib.suppress(BaseException):
                self.run_until_complete(asyncio.wait(pending, timeout=20))
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # it was seen when the process ended
        self._ready.clear()
        self._scheduled.clear()
        self.close()
