"""An event loop in a thread of its own, so that Kafka's clients go on (heartbeats, above all) while others compute.

Not for code of the product: what runs in it must be short and belong to Kafka.
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
        """Run it there; its result as a future that any thread may wait for."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait, blocking this thread."""
        return self.submit(coroutine).result()

    async def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait, without blocking this event loop; cancelling cancels it there too."""
        return await asyncio.wrap_future(self.submit(coroutine))

    def stop(self) -> None:
        """End the thread; what still runs there is cancelled."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
