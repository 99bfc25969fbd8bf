"""An event loop in its own thread, so that Kafka's clients (above all their heartbeats) run while other code computes.

Only short code of Kafka's clients may run in it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """The thread; runs from construction until `stop`. Its methods may be called from any other thread."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run the coroutine there; returns its result as a future for any thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine there and wait, blocking this thread."""
        return self.submit(coroutine).result()

    async def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine there and wait, without blocking this event loop; cancelling cancels it there too."""
        return await asyncio.wrap_future(self.submit(coroutine))

    def stop(self) -> None:
        """Stop the thread and cancel what still runs in it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
