"""A response whose parts are made in a thread while the client reads it, without ever being in memory as a whole.

What is small is sent as a whole, so that an error in the middle still gets a response of its own.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

from fastapi.responses import Response, StreamingResponse

from pipeline.api.http.slots import HungUp
from store.engine import interruption
from store.errors import QueryCancelled

MOST_WAITING_BYTES = 2**20  # of one response: what the client has not read
_TOGETHER_BYTES = 2**16  # smaller parts are handed over together: each time wakes the event loop
STALLED_AFTER_S = 30.0  # a client that reads nothing for so long is taken for gone
_LOOK_EVERY_S = 0.2


class Parts:
    """Hands parts over from one thread to the event loop in which it was made; the thread waits for room."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._room = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._taken = 0  # bytes
        self._has_ended = False
        self.headers: dict[str, str] = {}  # set before the first part

    def put_all(self, parts: Iterable[bytes]) -> None:
        """Hand over every part. In the thread of the query; its timeout does not count while the client reads.

        Raises QueryCancelled if the client does not read.
        """
        unannounced = 0
        for part in filter(None, parts):
            with self._room:
                if self._waiting_bytes >= MOST_WAITING_BYTES:
                    self._wait_for_room()
                self._waiting.append(part)
                self._waiting_bytes += len(part)
            unannounced += len(part)
            if unannounced >= _TOGETHER_BYTES:
                self._loop.call_soon_threadsafe(self._changed.set)
                unannounced = 0  # what is left at the end is announced by `end`

    def _wait_for_room(self) -> None:
        found = interruption.current()
        assert found is not None, "queries run within an interruption"
        since_s, taken = time.monotonic(), self._taken
        with found.pausing():
            while self._waiting_bytes >= MOST_WAITING_BYTES:
                self._room.wait(_LOOK_EVERY_S)
                found.check()
                if self._taken != taken:
                    since_s, taken = time.monotonic(), self._taken
                elif time.monotonic() - since_s > STALLED_AFTER_S:
                    raise QueryCancelled(f"the client read nothing for {STALLED_AFTER_S:g} s")

    def end(self, _: object = None) -> None:
        """There are no further parts. In the event loop."""
        self._has_ended = True
        self._changed.set()

    async def is_small(self) -> bool:
        """Whether all parts together are there; else some are there, and more to come."""
        while not self._has_ended and self._waiting_bytes < MOST_WAITING_BYTES:
            await self._changed.wait()
            self._changed.clear()
        return self._has_ended

    async def taken(self) -> AsyncIterator[bytes]:
        """Each part, until the end."""
        while True:
            with self._room:
                data = self._waiting.popleft() if self._waiting else b""
                self._waiting_bytes -= len(data)
                self._taken += len(data)
                self._room.notify()
            if data:
                yield data
            elif self._has_ended:
                return
            else:
                await self._changed.wait()
                self._changed.clear()


async def streamed(
    run: Callable[[Callable[[], None]], Coroutine[Any, Any, None]], work: Callable[[Parts], None], media_type: str
) -> Response:
    """The response with the parts that `work` puts in a thread, to which `run` brings it. Raises what `run` raises."""
    parts = Parts()
    running = asyncio.ensure_future(run(lambda: work(parts)))
    running.add_done_callback(parts.end)
    try:
        if await parts.is_small():
            await running
            body = b"".join([data async for data in parts.taken()])
            return Response(body, headers=parts.headers, media_type=media_type)
    except BaseException:
        running.cancel()
        raise
    return StreamingResponse(_rest(parts, running), headers=parts.headers, media_type=media_type)


async def _rest(parts: Parts, running: asyncio.Future[None]) -> AsyncIterator[bytes]:
    try:
        async for data in parts.taken():
            yield data
        await running  # if it has failed, the response is cut off: it must not look complete
    except HungUp:
        return
    finally:
        running.cancel()
