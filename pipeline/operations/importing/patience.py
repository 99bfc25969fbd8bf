"""How long an import waits for a server that is away or busy.

A server that never answered is not waited for: its address may be wrong, and that is told at once. One that has
answered, in this run or before the import was interrupted, is only away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pipeline.base.errors import ServerBusy, ServerNotTrusted, ServerUnreachable

T = TypeVar("T")

PATIENCE_S = 300.0
AGAIN_AFTER_S = 0.5


@dataclass(slots=True)
class Patience:
    """Asks a server again, for so many seconds. Any thread.

    waiting    is told why the server is waited for, each time that it goes away
    was_there  the server has answered before
    """

    seconds: float = PATIENCE_S
    waiting: Callable[[str], None] = lambda _: None
    was_there: bool = False
    _is_away: bool = False

    def ask(self, ask: Callable[[], T], is_ending: threading.Event | None = None) -> T:
        """What `ask` returns, called again while it raises ServerBusy or ServerUnreachable; `is_ending` ends that.

        If the server says that it is busy for longer than the patience, its error is raised at once.
        """
        is_ending = is_ending or threading.Event()
        deadline_s = time.monotonic() + self.seconds
        while True:
            try:
                found = ask()
            except (ServerBusy, ServerUnreachable) as error:
                wait_s = self._wait_s(error)
                if wait_s is None or time.monotonic() + wait_s > deadline_s or is_ending.wait(wait_s):
                    raise
            else:
                self.was_there, self._is_away = True, False
                return found

    def _wait_s(self, error: ServerBusy | ServerUnreachable) -> float | None:
        """How long to wait before asking again; None if it is of no use."""
        if isinstance(error, ServerBusy):
            return max(AGAIN_AFTER_S, error.retry_after_s)
        if not self.was_there or isinstance(error, ServerNotTrusted):
            return None
        if not self._is_away:
            self._is_away = True
            self.waiting(str(error))
        return AGAIN_AFTER_S
