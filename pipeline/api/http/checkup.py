"""What the doctor finds, for all who ask: one examination at a time, and its findings for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from pipeline.api.http.problems import Problem

FRESH_S = 15.0  # since it began: an examination looks at the whole machine, and asks brokers and receivers
LONGEST_S = 10.0  # the doctor gives each check 5 s

Findings = Sequence[Mapping[str, str]]
"""Of each what the type `Finding` of the responses has."""


class Checkup:
    """`examine` may block; it runs in a thread. To be used in one event loop."""

    def __init__(self, examine: Callable[[], Findings], now_s: Callable[[], float] = time.monotonic) -> None:
        self._examine = examine
        self._now_s = now_s
        self._began_s = 0.0
        self._examination: asyncio.Task[Findings] | None = None

    async def findings(self) -> Findings:
        """At most FRESH_S old. Raises Problem if there are none within LONGEST_S, and what `examine` raises."""
        examination = self._examination
        if examination is None or (examination.done() and self._now_s() - self._began_s >= FRESH_S):
            self._began_s = self._now_s()
            examination = self._examination = asyncio.create_task(asyncio.to_thread(self._examine))
        try:
            async with asyncio.timeout(LONGEST_S):
                return await asyncio.shield(examination)  # others wait for it, too
        except TimeoutError as error:
            raise Problem(504, f"the doctor did not end within {LONGEST_S:g} s: a disk or a network is slow") from error
