"""Ends work early: after a timeout, or when nobody waits for its result any more.

The work runs within `with Interruption(timeout_s):`; all functions called in that thread find it with `current()`. It
ends within a fraction of a second in three ways: DuckDB runs within `interrupting`, loops in Python call `check()`
every few milliseconds, and `result_of` waits for other threads. So no function has to pass an Interruption on, and work
outside of one is never interrupted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, Token
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar

from store.errors import QueryCancelled, QueryTimeout

T = TypeVar("T")

_AGAIN_AFTER_S = 0.005  # DuckDB ignores an interrupt before execution begins (while it plans)
_LOOK_EVERY_S = 0.05
_current: ContextVar[Interruption | None] = ContextVar("interruption", default=None)


class StopReason(StrEnum):
    """Why work ends early."""

    TIMEOUT = "timeout"
    HANG_UP = "hang_up"  # the client has disconnected
    CANCELLED = "cancelled"


class Interruption:
    """Ends the work of one thread, when called from any other thread. A context manager, used once."""

    def __init__(self, timeout_s: float | None = None) -> None:
        """`timeout_s`, by the monotonic clock, counts from `with` on, without `pausing`; None means no limit."""
        self._timeout_s = timeout_s
        self._began_s = 0.0
        self._paused_s = 0.0
        self._pause_began_s: float | None = None
        self._reason: StopReason | None = None
        self._has_ended = False
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._interrupts: list[Callable[[], None]] = []
        self._token: Token[Interruption | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self._began_s = time.monotonic()
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
        """Why the work must end; None if it may continue."""
        return self._reason

    def stop(self, reason: StopReason) -> None:
        """End the work, also if it has not begun. Only the first reason counts."""
        with self._lock:
            self._reason = self._reason or reason
        self._wake.set()

    def check(self) -> None:
        """Raises QueryTimeout or QueryCancelled if the work must end."""
        if self._reason is StopReason.TIMEOUT:
            raise QueryTimeout(f"the query ran longer than {self._timeout_s:g} s and was ended")
        if self._reason is not None:
            raise QueryCancelled("the query was cancelled")

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt` repeatedly, from another thread, if the work must end while this block runs."""
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """The timeout does not count while this block runs: the work waits for its client."""
        self._pause_began_s = began_s = time.monotonic()
        try:
            yield
        finally:
            self._paused_s += time.monotonic() - began_s
            self._pause_began_s = None

    def _left_s(self) -> float | None:
        if self._timeout_s is None:
            return None
        now_s = time.monotonic()
        pause_began_s = self._pause_began_s
        paused_s = self._paused_s + (0.0 if pause_began_s is None else now_s - pause_began_s)
        return self._timeout_s - (now_s - self._began_s - paused_s)

    def _watch(self) -> None:
        while not self._wake.is_set():
            left_s = self._left_s()
            if left_s is not None and left_s <= 0:
                self.stop(StopReason.TIMEOUT)
            else:
                self._wake.wait(left_s)
        again = threading.Event()
        while not self._has_ended:
            with self._lock:
                for interrupt in self._interrupts:
                    interrupt()
            again.wait(_AGAIN_AFTER_S)


def current() -> Interruption | None:
    """The Interruption of this thread, if any."""
    return _current.get()


def check() -> None:
    """Raises QueryTimeout or QueryCancelled if the work of this thread must end. Costs 0.1 µs."""
    found = _current.get()
    if found is not None:
        found.check()


def result_of(future: Future[T]) -> T:
    """The result of `future`. Raises QueryTimeout or QueryCancelled if this thread's work must end while it waits."""
    while not future.done():
        check()
        try:
            return future.result(_LOOK_EVERY_S)
        except TimeoutError:
            continue  # also if `future` itself raised it: then it is done
    return future.result()
