"""DELETEs that the stream has applied and the store's maintenance carries out: for those who ask how far they are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future

from store.table.deletions import Deleted

KNOWN_MAX = 1_000


class AppliedDeletes:
    """The last DELETEs of a partition, by offset. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: OrderedDict[int, Future[Deleted]] = OrderedDict()

    def applied(self, offset: int, outcome: Future[Deleted]) -> None:
        """The stream has applied the DELETE at `offset`."""
        with self._lock:
            self._outcomes[offset] = outcome
            while len(self._outcomes) > KNOWN_MAX:
                self._outcomes.popitem(last=False)

    def outcome(self, offset: int) -> Future[Deleted] | None:
        """Its outcome, when it is carried out; None if it is not known: another process applied it, or nobody yet."""
        with self._lock:
            return self._outcomes.get(offset)
