"""The current owners of partitions according to the log's group coordinator: worker addresses by (topic, partition).

A worker joins the group under its own address, so nothing else has to be stored about workers. `known` may be a second
old; `fresh` asks the coordinator, and its result was true for the whole group at one moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from pipeline.base.errors import LogError, PeerUnavailable

Owned: TypeAlias = Mapping[tuple[str, int], str]

KNOWN_MAX_AGE_S = 1.0


class Owners:
    """Safe for any thread. `ask` is `LogAdmin.owners`; it may block for milliseconds."""

    def __init__(self, ask: Callable[[], Owned]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._known: Owned = {}
        self._asked_s = float("-inf")

    def known(self) -> Owned:
        """The owners, at most `KNOWN_MAX_AGE_S` old. Raises PeerUnavailable if the log cannot be asked."""
        if time.monotonic() - self._asked_s > KNOWN_MAX_AGE_S:
            return self.fresh()
        return self._known

    def fresh(self) -> Owned:
        """The owners now. Raises PeerUnavailable if the log cannot be asked."""
        try:
            found = self._ask()
        except LogError as error:
            raise PeerUnavailable(f"the log does not name the owners of the partitions: {error}") from error
        with self._lock:
            self._known, self._asked_s = found, time.monotonic()
        return found
