"""WriteRecords on its way: appended to the log by the HTTP thread, applied by the stream, answered to the client.

One request is one frame, so its offset names it. The stream may apply a frame before the appending thread has learned
its offset, so either side may come first; outcomes nobody claims (a replay after a crash) are forgotten by age.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError

from pipeline.frame import FrameKind, encode_frame
from pipeline.log.log import Appender
from pipeline.log.topics import READINGS
from store.store import Applied

UNCLAIMED_MAX = 10_000
ANSWER_TIMEOUT_S = 30.0


class PendingWrites:
    """Outcomes by offset, handed from the stream's thread to the HTTP thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: OrderedDict[int, Future[Applied]] = OrderedDict()

    def _of(self, offset: int) -> Future[Applied]:
        with self._lock:
            future = self._outcomes.get(offset)
            if future is None:
                future = self._outcomes[offset] = Future()
                while len(self._outcomes) > UNCLAIMED_MAX:
                    self._outcomes.popitem(last=False)
            return future

    def applied(self, offset: int, outcome: Applied) -> None:
        """The stream has applied the request in the frame at `offset`."""
        # The waiter gave up in this very moment: then nobody is left to tell.
        with contextlib.suppress(InvalidStateError):
            self._of(offset).set_result(outcome)

    async def outcome(self, offset: int, timeout_s: float) -> Applied:
        """What became of the request at `offset`. Raises TimeoutError if the stream does not get there in time."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._of(offset)), timeout_s)
        finally:
            with self._lock:
                self._outcomes.pop(offset, None)


class LogWriter:
    """The `store.endpoint.Writer` of this process: through the log, answered when durable and applied."""

    def __init__(self, appender: Appender, pending: PendingWrites, clock_ns: Callable[[], int]) -> None:
        self._appender = appender
        self._pending = pending
        self._clock_ns = clock_ns

    async def write(self, account: str, payload: bytes) -> Applied:
        """Append one WriteRecords request and wait for its outcome. Raises LogFull, LogError, TimeoutError."""
        frame = encode_frame(FrameKind.WRITE_RECORDS, [self._clock_ns()], [account], [""], [payload])
        offset = await self._appender.append(READINGS, frame)
        return await self._pending.outcome(offset, ANSWER_TIMEOUT_S)
