"""Writes transitions of alerts into the store's table, in the store's ordinary way: through [readings].

What is written is noted in the archive, and if another worker can take [alerts] over, in [alerts], so that it does not
write everything again. Between the two a process may end: then some transitions are written twice, which changes
nothing (`pipeline.alerting.history`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.transition import Transition
from pipeline.alerting.repeating import repeat

MOST_AT_ONCE = 500

Record = Callable[[Sequence[Transition]], Awaitable[None]]
"""Writes these transitions; returns when they are durable."""


class Recorder:
    """The transitions of one archive. Used from one event loop. `note` appends to [alerts]; None: nobody takes over."""

    def __init__(
        self, archive: AlertArchive, record: Record, note: Callable[[bytes], Awaitable[Any]] | None = None
    ) -> None:
        self.look = asyncio.Event()
        self._archive = archive
        self._record = record
        self._note = note

    async def run(self) -> None:
        """Write until cancelled."""
        await repeat(self.look, self._record_all, "transitions of alerts cannot be written to the store")

    async def _record_all(self) -> None:
        while await self._record_some():
            pass

    async def _record_some(self) -> bool:
        found = await asyncio.to_thread(self._archive.unrecorded, MOST_AT_ONCE)
        if not found:
            return False
        await self._record(found)
        last = found[-1]
        await asyncio.to_thread(self._archive.recorded, last.seq)
        if self._note is not None:
            # a message whose transitions are not all written may follow: that it is written is noted with the next ones
            below = last.log_offset + (len(found) < MOST_AT_ONCE)
            await self._note(orjson.dumps([{"recorded": {"below": below}}]))
        return True
