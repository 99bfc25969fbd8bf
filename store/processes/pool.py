"""The query processes of a worker: forked when they are needed, used again, killed when they have to be.

A query may need any time and memory, and DuckDB and Python cannot always be interrupted or bounded from within. So each
runs in a process that is killed when its time is over, its client is gone, or it has more memory than `QueryLimits`
says; the next query has another process. They end with the worker, however it ends (`forker`).
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from store.engine import interruption
from store.errors import OutOfMemory, QueryTimeout
from store.processes.child import Setup
from store.processes.frames import HELLO, Connection, ProcessGone
from store.processes.job import Answer, Job, too_much_memory
from store.processes.limits import MIB, QueryLimits
from store.processes.process import Conversation, QueryProcess
from store.reading.lending import Lender
from store.sql.errors import QueryEnded, QueryTimedOut

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.05  # at memory: in that time a process may allocate some 200 MB more
_READY_WITHIN_S = 60.0  # the first one waits until the forker has loaded everything: 1 s of processor time
WARM_AFTER_S = 5.0  # until then a start, which may replay the log, has the processor for itself
_KEPT_BYTES = 128 * MIB  # a process that has kept more after a query is not used again
_NEAR = 0.5  # of its memory limit: a process that ends by itself above that could not allocate more


class QueryProcesses:
    """Runs queries in processes. Any thread."""

    def __init__(self, readable: Path | None, limits: QueryLimits, modules: Sequence[str] = (), idle: int = 4) -> None:
        """Queries read only files below `readable`. The forker starts with the first query, or a little later.

        `modules` are those of the functions that encode results; `idle`: how many processes without a query are kept.
        """
        self._setup = Setup(readable, limits)
        self._modules = ",".join(["store.processes.child", *modules])
        self._most_idle = idle
        self._lock = threading.Lock()
        self._idle: list[QueryProcess] = []
        self._busy: set[QueryProcess] = set()
        self._has_busy = threading.Event()
        self._is_closed = False
        self._forker: _Forker | None = None
        self._warming = threading.Timer(WARM_AFTER_S, self._warm)
        self._warming.daemon = True
        self._warming.start()
        threading.Thread(target=self._watch_memory, name="query memory", daemon=True).start()

    @property
    def limits(self) -> QueryLimits:
        """See `Executor`."""
        return self._setup.limits

    @contextmanager
    def run(self, lender: Lender, job: Job) -> Iterator[Answer]:
        """See `Executor`. Raises QueryEnded if the process was killed by something else."""
        process = self._take()
        may_end = interruption.current()
        conversation = Conversation(process.connection, lender)
        try:
            with nullcontext() if may_end is None else may_end.interrupting(process.kill):
                head = conversation.head(job)
                lender.close()
                yield Answer(head.rows, head.truncated, head.insights, conversation.parts())
        except OutOfMemory as error:
            raise too_much_memory(self.limits) from error
        except ProcessGone as error:
            raise self._why(process, may_end) from error
        except QueryTimeout as error:
            raise _timed_out(error) from error
        finally:
            self._give_back(process, is_at_rest=conversation.is_over)

    def close(self) -> None:
        """End all processes."""
        self._warming.cancel()
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            forker = self._forker
            for process in self._busy:
                process.kill()
        for process in idle:
            process.close()
        self._has_busy.set()
        if forker is not None:
            forker.close()

    def pids(self) -> list[int]:
        """The ids of the processes that there are."""
        with self._lock:
            return [process.pid for process in (*self._idle, *self._busy)]

    def _take(self) -> QueryProcess:
        with self._lock:
            process = None
            while self._idle and process is None:
                process = self._idle.pop()
                if not process.is_alive():  # the kernel was short of memory
                    process.close()
                    process = None
        process = process or self._forked()
        with self._lock:
            self._busy.add(process)
        self._has_busy.set()
        return process

    def _give_back(self, process: QueryProcess, *, is_at_rest: bool) -> None:
        with self._lock:
            self._busy.discard(process)
            if not self._busy and not self._is_closed:
                self._has_busy.clear()
            is_kept = (
                is_at_rest
                and not self._is_closed
                and len(self._idle) < self._most_idle
                and not process.is_killed
                and process.used_bytes() <= _KEPT_BYTES
            )
            if is_kept:
                self._idle.append(process)
        if not is_kept:
            process.close()

    def _forked(self) -> QueryProcess:
        for _ in range(2):
            forker = self._warm()
            if forker is None:
                break
            with suppress(ProcessGone, OSError):
                return forker.fork(self._setup)
            with self._lock:
                if self._forker is forker and not self._is_closed:
                    log.error("the process that forks query processes has ended; it is started again")
                    forker.close()
                    self._forker = _Forker(self._modules)
        raise QueryEnded("The query could not be started; try again later")

    def _warm(self) -> _Forker | None:
        """The forker, started if there is none; None if no more queries are run."""
        with self._lock:
            if self._is_closed:
                return None
            if self._forker is None:
                self._forker = _Forker(self._modules)
            return self._forker

    def _why(self, process: QueryProcess, may_end: interruption.Interruption | None) -> Exception:
        """Why the process has ended in the middle of a query."""
        if may_end is not None:
            try:
                may_end.check()
            except QueryTimeout as error:
                return _timed_out(error)
            except Exception as error:  # noqa: BLE001  # it is returned, to be raised
                return error
        if process.was_near_limit:
            return too_much_memory(self.limits)
        log.error("query process %d has ended in the middle of a query", process.pid)
        return QueryEnded("The query ended because its process was killed or failed; try again")

    def _watch_memory(self) -> None:
        limit = self.limits.memory_bytes
        while not self._is_closed:
            self._has_busy.wait()
            with self._lock:
                busy = list(self._busy)
            for process in busy:
                used = process.used_bytes()
                process.was_near_limit = process.was_near_limit or used > limit * _NEAR
                if used > limit:
                    process.kill()
            time.sleep(_LOOK_EVERY_S)


class _Forker:
    """The process that forks query processes."""

    def __init__(self, modules: str) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", f"{__package__}.forker", str(theirs.fileno()), modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "OPENBLAS_NUM_THREADS": "1",  # it may have no other thread when it forks
                    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve a gigabyte at once
                    "MALLOC_ARENA_MAX": "2",
                },
            )

    def fork(self, setup: Setup) -> QueryProcess:
        """A new query process. Raises ProcessGone, OSError."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
            ours.settimeout(_READY_WITHIN_S)
            connection = Connection(ours)
            connection.give(setup)
            data, handles, _, _ = socket.recv_fds(ours, HELLO.size, 1)
            ours.settimeout(None)
            (handle,) = handles  # none: it ended before it was ready
            (pid,) = HELLO.unpack(data)
            return QueryProcess(connection, pid, handle)
        except ValueError as error:
            ours.close()
            raise ProcessGone("it ended before it was ready") from error
        except BaseException:
            ours.close()
            raise

    def close(self) -> None:
        """End it, and with it all query processes."""
        self._control.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _timed_out(error: QueryTimeout) -> QueryTimedOut:
    return QueryTimedOut(f"T{str(error)[1:]}")
