"""Who is signed in: the token of each session, in RAM only. A browser has the session's id, in a cookie.

A restart of the console signs everybody out. The cookie of a console names its port, because browsers send the cookies
of a host to all of its ports.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

LASTS_S = 12 * 3600.0  # without a request
MOST_SESSIONS = 10_000  # the one that was used longest ago ends for one more


@dataclass(slots=True)
class _Session:
    token: str
    used_s: float


class Sessions:
    """The sessions of one console."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, token: str) -> str:
        """The id of a new session with this token."""
        session_id = secrets.token_urlsafe(32)
        self._sessions[session_id] = _Session(token, self._now_s())
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session_id

    def token_of(self, session_id: str | None) -> str | None:
        """The token of a session; None if there is none, or none any more."""
        session = self._sessions.get(session_id or "")
        if session is None:
            return None
        if self._now_s() - session.used_s > LASTS_S:
            del self._sessions[session_id or ""]
            return None
        session.used_s = self._now_s()
        self._sessions.move_to_end(session_id or "")
        return session.token

    def end(self, session_id: str | None) -> None:
        """Forget a session."""
        self._sessions.pop(session_id or "", None)
