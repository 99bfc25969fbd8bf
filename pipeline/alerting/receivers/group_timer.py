"""Has groups told when they are due: appends to [alerts] which are, and the archive takes that in like everything else.

So time reaches the archive through the log, and a worker that takes [alerts] over tells no group twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from pipeline.alerting.archive.alerts import AlertArchive, told_id
from pipeline.alerting.repeating import repeat
from pipeline.alerting.routing.plan import AlertPlan

LOOK_AGAIN_S = 1.0  # while what was appended is not taken in yet
LONGEST_SLEEP_S = 60.0
SECOND_NS = 1_000_000_000


class GroupTimer:
    """The groups of one archive. Used from one event loop.

    plan      the plan of this moment
    append    appends to [alerts]
    clock_ns  the clock by which groups are due; `wall_ns` that of the host, by which silences begin and end
    """

    def __init__(
        self,
        archive: AlertArchive,
        plan: Callable[[], AlertPlan],
        append: Callable[[bytes], Awaitable[Any]],
        clock_ns: Callable[[], int],
        wall_ns: Callable[[], int],
    ) -> None:
        self.look = asyncio.Event()
        self._archive = archive
        self._plan = plan
        self._append = append
        self._clock_ns = clock_ns
        self._wall_ns = wall_ns
        self._appended: set[str] = set()

    async def run(self) -> None:
        """Append until cancelled."""
        await repeat(self.look, self._look, "groups of alerts cannot be told")

    async def _look(self) -> float | None:
        await self._append_due()
        return await self._sleep_s()

    async def _append_due(self) -> None:
        now_ns, wall_ns = self._clock_ns(), self._wall_ns()
        events = await asyncio.to_thread(
            self._archive.groups_due, self._plan(), now_ns=now_ns, wall_ns=wall_ns, but=self._appended
        )
        if events:
            await self._append(orjson.dumps(events))
            self._appended |= {told_id(event["told"]["group"], event["told"]["number"]) for event in events}

    async def _sleep_s(self) -> float | None:
        """How long no group becomes due; None: until something changes."""
        next_ns = await asyncio.to_thread(self._archive.next_group_ns, self._plan())
        if next_ns is None:
            self._appended.clear()
            return None
        ahead_s = (next_ns - self._clock_ns()) / SECOND_NS
        if ahead_s <= 0:
            return LOOK_AGAIN_S
        self._appended.clear()  # what was appended has been taken in: no group is due any more
        return min(ahead_s, LONGEST_SLEEP_S)
