"""The events of one client, from feeds that it may share with others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from pipeline.api.http import live_feeds
from pipeline.api.http.event_streams import PING, PING_EVERY_S, SLOW_S, too_slow, word
from pipeline.api.http.live_feeds import Followed
from pipeline.base import metrics


class Source:
    """Events of one feed for one client. Why there is nothing new is told once."""

    def __init__(self, followed: Followed[Any]) -> None:
        self.followed = followed
        self._told: str | None = None

    async def events(self) -> AsyncIterator[bytes]:
        """What is new since the last time."""
        self.followed.check()
        trouble = self.followed.trouble
        if trouble is None:
            try:
                async for event in self.news():
                    yield event
            except live_feeds.FOR_NOW as error:
                trouble = str(error)
        if trouble is not None and trouble != self._told:
            yield word("unavailable", trouble)
        self._told = trouble

    def news(self) -> AsyncIterator[bytes]:
        """The same, of a feed whose last look succeeded."""
        raise NotImplementedError


async def sent(
    sources: Sequence[Source], *, follow: bool, now_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[bytes]:
    """The events of these sources, as bytes: now, and if it is to `follow`, as they come."""
    for source in sources:
        await source.followed.begun()
    said_s = now_s()
    while True:
        has_said = False
        for source in sources:
            async for event in source.events():
                said_s, has_said = now_s(), True
                yield event
                if now_s() - said_s > SLOW_S:
                    metrics.http_streams_closed.labels("slow").inc()
                    yield too_slow()
                    return
        if not follow:
            return
        if not has_said and now_s() - said_s >= PING_EVERY_S:
            said_s = now_s()
            yield PING
        await asyncio.sleep(live_feeds.LOOK_EVERY_S)
