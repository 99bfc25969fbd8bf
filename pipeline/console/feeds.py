"""Live parts of pages: each is rendered once for all browsers that show it, and sent by server-sent events.

Nothing is queued for a browser: a feed keeps the newest HTML of each part with the number of its change, and a browser
is sent what has changed since it took the last. A feed renders while somebody looks at it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from html import escape

from pipeline.base.errors import ServerRefused, ServerUnreachable

PERIOD_S = 1.0
PING_S = 15.0  # so that proxies keep the connection
ENDED = "ended"  # after it nothing comes: a browser asks for no more, and nothing is wrong
MOST_BROWSERS = 500
MOST_FEEDS = 64

Render = Callable[[], Awaitable[Mapping[str, str]]]
"""The HTML of each part, by the name of its event."""

log = logging.getLogger(__name__)


class TooManyBrowsers(Exception):
    """No more live pages are shown at once: a further one shows what there was when it was opened."""


@dataclass(slots=True)
class _Feed:
    render: Render
    during: AbstractAsyncContextManager[object]
    parts: dict[str, tuple[int, str]] = field(default_factory=dict)
    version: int = 0
    browsers: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    task: asyncio.Task[None] | None = None


class Feeds:
    """All live parts, by what is asked for in them."""

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._feeds: dict[Hashable, _Feed] = {}

    def check(self, key: Hashable) -> None:
        """Raise TooManyBrowsers if one more cannot be served."""
        if sum(feed.browsers for feed in self._feeds.values()) >= MOST_BROWSERS:
            raise TooManyBrowsers
        if key not in self._feeds and len(self._feeds) >= MOST_FEEDS:
            raise TooManyBrowsers

    async def events(
        self,
        key: Hashable,
        render: Render,
        goes_on: Callable[[], bool] = lambda: True,
        during: AbstractAsyncContextManager[object] | None = None,
    ) -> AsyncIterator[bytes]:
        """The events for one browser: all parts, then those that change, while it `goes_on`; then ENDED.

        `during` is entered before the first rendering for this key, and left when nobody looks any more.
        """
        feed = self._feeds.setdefault(key, _Feed(render, during or contextlib.nullcontext()))
        feed.browsers += 1
        if feed.task is None:
            feed.task = asyncio.create_task(self._keep_rendering(feed))
        known = 0
        try:
            while goes_on():
                newest = feed.version
                for name, (version, html) in list(feed.parts.items()):
                    if version > known:
                        yield event(name, html)
                known = newest
                if not await self._news(feed, known):
                    yield b": ping\n\n"
            yield event(ENDED, "")
        finally:
            feed.browsers -= 1
            if feed.browsers == 0:
                del self._feeds[key]
                feed.task.cancel()

    @staticmethod
    async def _news(feed: _Feed, known: int) -> bool:
        try:
            async with asyncio.timeout(PING_S), feed.changed:
                await feed.changed.wait_for(lambda: feed.version > known)
        except TimeoutError:
            return False
        return True

    async def _keep_rendering(self, feed: _Feed) -> None:
        async with feed.during:
            while True:
                try:
                    self._take(feed, await feed.render())
                except (ServerRefused, ServerUnreachable) as error:
                    log.debug("a live page is not rendered: %s", error)
                    self._take(feed, {"trouble": escape(f"Not live: {error}")})
                async with feed.changed:
                    feed.changed.notify_all()
                await asyncio.sleep(self._period_s)

    @staticmethod
    def _take(feed: _Feed, rendered: Mapping[str, str]) -> None:
        version = feed.version + 1
        for name, html in ({"trouble": ""} | dict(rendered)).items():
            if feed.parts.get(name, (0, None))[1] != html:
                feed.parts[name] = (version, html)
                feed.version = version

    async def close(self) -> None:
        """End what renders."""
        for feed in self._feeds.values():
            if feed.task is not None:
                feed.task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await feed.task


def event(name: str, html: str) -> bytes:
    """A server-sent event: html.spec.whatwg.org, "Server-sent events"."""
    data = "".join(f"data: {line}\n" for line in (html.splitlines() or [""]))
    return f"event: {name}\n{data}\n".encode()
