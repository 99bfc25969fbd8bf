"""A live part is rendered once for all browsers, and each gets what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

import pytest

from pipeline.base.errors import ServerUnreachable
from pipeline.console import feeds as feeds_module
from pipeline.console.feeds import Feeds, TooManyBrowsers, event


class Rendered:
    """Counts how often it renders, and shows what it is told to."""

    def __init__(self) -> None:
        self.times = 0
        self.parts: Mapping[str, str] | Exception = {"zones": "21", "alerts": "none"}

    async def __call__(self) -> Mapping[str, str]:
        self.times += 1
        if isinstance(self.parts, Exception):
            raise self.parts
        return self.parts


async def test_many_browsers_cost_one_rendering_and_each_gets_all_parts_first() -> None:
    feeds, rendered = Feeds(period_s=3600), Rendered()
    browsers = [feeds.events("overview", rendered) for _ in range(50)]

    rounds = [await asyncio.gather(*(anext(browser) for browser in browsers)) for _ in range(3)]

    assert rendered.times == 1
    assert [set(seen) for seen in zip(*rounds, strict=True)] == [
        {event("trouble", ""), event("zones", "21"), event("alerts", "none")}
    ] * 50
    for browser in browsers:
        await browser.aclose()  # type: ignore[attr-defined]  # an async generator
    assert feeds._feeds == {}


async def test_then_what_changes_is_sent_and_nothing_else() -> None:
    feeds, rendered = Feeds(period_s=0), Rendered()
    async with aclosing(feeds.events("overview", rendered)) as events:  # type: ignore[type-var]  # as above
        seen = [await anext(events), await anext(events), await anext(events)]
        rendered.parts = {"zones": "22", "alerts": "none"}
        changed = await anext(events)
        rendered.parts = ServerUnreachable("the API <b> does not answer")
        trouble = await anext(events)
        rendered.parts = {"zones": "22", "alerts": "none"}
        well = await anext(events)

    assert set(seen) == {event("trouble", ""), event("zones", "21"), event("alerts", "none")}
    assert changed == event("zones", "22")
    assert trouble == event("trouble", "Not live: the API &lt;b&gt; does not answer")
    assert well == event("trouble", "")


async def test_events_end_when_their_browser_may_see_no_more() -> None:
    feeds, rendered, answers = Feeds(period_s=0), Rendered(), iter([True, False])

    seen = [one async for one in feeds.events("overview", rendered, lambda: next(answers))]

    assert seen == [event("ended", "")]  # it was asked twice: before anything was rendered, and after
    assert feeds._feeds == {}


async def test_one_browser_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds_module, "MOST_BROWSERS", 1)
    feeds = Feeds(period_s=3600)
    async with aclosing(feeds.events("overview", Rendered())) as events:  # type: ignore[type-var]  # as above
        await anext(events)
        with pytest.raises(TooManyBrowsers):
            feeds.check("overview")
    feeds.check("overview")


def test_html_of_several_lines_is_one_event() -> None:
    assert event("zones", "a\nb") == b"event: zones\ndata: a\ndata: b\n\n"


async def test_what_a_feed_needs_is_open_while_somebody_looks() -> None:
    feeds, rendered, seen = Feeds(period_s=0), Rendered(), []

    @asynccontextmanager
    async def during() -> AsyncIterator[None]:
        seen.append("opened")
        try:
            yield
        finally:
            seen.append("closed")

    browsers = [feeds.events("overview", rendered, during=during()) for _ in range(2)]
    for browser in browsers:
        await anext(browser)
    await browsers[0].aclose()  # type: ignore[attr-defined]  # an async generator
    before = list(seen)
    (task,) = [feed.task for feed in feeds._feeds.values()]
    await browsers[1].aclose()  # type: ignore[attr-defined]  # as above
    assert task is not None
    await asyncio.wait([task])

    assert (before, seen) == (["opened"], ["opened", "closed"])
