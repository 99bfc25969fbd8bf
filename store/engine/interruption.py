"""Work that may have to end before it is done: its time is over, or nobody wants its answer any more.

Whoever starts the work does so within `with Interruption(timeout_s):`; from then on whatever is called in that thread
asks `current()`. Three ways lead to an end within a fraction of a second: DuckDB runs within `interrupting`, loops in
Python call `check()` every few milliseconds of work, and waits for others are `result_of`. So nothing has to hand an
Interruption down, and work outside of one runs to its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, Token
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar

from store.errors import QueryCancelled, QueryTimeout

T = TypeVar("T")

_AGAIN_AFTER_S = 0.005  # DuckDB forgets an interrupt that comes before it executes (it may still be planning)
_LOOK_EVERY_S = 0.05
_current: ContextVar[Interruption | None] = ContextVar("interruption", default=None)


class StopReason(StrEnum):
    """Why work ends before it is done."""

    TIMEOUT = "timeout"
    HANG_UP = "hang_up"  # who asked is gone
    CANCELLED = "cancelled"


class Interruption:
    """What may end the work of one thread, from any other. A context manager, used once."""

    def __init__(self, timeout_s: float | None = None) -> None:
        """`timeout_s`, of the monotonic clock, counts from `with` on; None is no limit."""
        self._timeout_s = timeout_s
        self._reason: StopReason | None = None
        self._has_ended = False
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._interrupts: list[Callable[[], None]] = []
        self._token: Token[Interruption | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        threading.Thread(target=self._watch, name="interruption", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        _current.reset(self._token)
        self._has_ended = True
        self._wake.set()

    @property
    def reason(self) -> StopReason | None:
        """Why the work is to end; None: it is not."""
        return self._reason

    def stop(self, reason: StopReason) -> None:
        """End the work, if it has begun or not. The first reason counts."""
        with self._lock:
            self._reason = self._reason or reason
        self._wake.set()

    def check(self) -> None:
        """Raises QueryTimeout or QueryCancelled if the work is to end."""
        if self._reason is StopReason.TIMEOUT:
            raise QueryTimeout(f"the query ran longer than {self._timeout_s:g} s and was ended")
        if self._reason is not None:
            raise QueryCancelled("the query was cancelled")

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt`, from another thread and again and again, if the work is to end while this block runs."""
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)

    def _watch(self) -> None:
        if not self._wake.wait(self._timeout_s):
            self.stop(StopReason.TIMEOUT)
        again = threading.Event()
        while not self._has_ended:
            with self._lock:
                for interrupt in self._interrupts:
                    interrupt()
            again.wait(_AGAIN_AFTER_S)


def current() -> Interruption | None:
    """What may end the work of this thread, if anything."""
    return _current.get()


def check() -> None:
    """Raises QueryTimeout or QueryCancelled if the work of this thread is to end. Costs 0.1 µs."""
    found = _current.get()
    if found is not None:
        found.check()


def result_of(future: Future[T]) -> T:
    """The result of `future`, waited for no longer than this thread's work may last."""
    while not future.done():
        check()
        try:
            return future.result(_LOOK_EVERY_S)
        except TimeoutError:
            continue  # also where `future` raised it: then it is done
    return future.result()
