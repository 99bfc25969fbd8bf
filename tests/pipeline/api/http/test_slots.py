"""Queries end when nobody wants their answer any more, and those of one account do not keep those of others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import REGISTRY

from pipeline.api.http.fair_queue import Limits
from pipeline.api.http.slots import Asker, HungUp, QuerySlots
from pipeline.base.errors import Busy, OverQuota
from store.engine import interruption
from store.errors import QueryCancelled, QueryTimeout

WITHIN_S = 60


def failures(reason: str) -> float:
    return REGISTRY.get_sample_value("streamgauge_http_query_failures_total", {"reason": reason}) or 0.0


def endless() -> None:
    """Work that only an interruption ends."""
    while True:
        interruption.check()


@pytest.fixture
async def slots() -> AsyncIterator[QuerySlots]:
    made = QuerySlots(limits=Limits(slots=2, per_account=2, waiting=4, waiting_per_account=2))
    yield made
    made.close()


def asking(slots: QuerySlots, account: str, work: Callable[[], object] = endless) -> asyncio.Task[object]:
    """A query of an account, on its way."""
    return asyncio.ensure_future(slots.run(Asker(account), work))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110  # of threads too
            await asyncio.sleep(0.005)


async def test_what_runs_ends_when_who_asked_hangs_up(slots: QuerySlots) -> None:
    """And its slot is another's."""
    gone, began, ended = asyncio.Event(), threading.Event(), threading.Event()
    before = failures("hang_up")

    def work() -> None:
        began.set()
        try:
            endless()
        finally:
            ended.set()

    async def hang_up() -> None:
        await gone.wait()

    asked = [asyncio.ensure_future(slots.run(Asker("a", hang_up), work)) for _ in range(2)]
    third = asking(slots, "b", lambda: "cheap")
    await until(lambda: len([query for query in slots.active("a") if query.ran_s is not None]) == 1 and began.is_set())

    gone.set()

    assert [type(error) for error in await asyncio.gather(*asked, return_exceptions=True)] == [HungUp, HungUp]
    assert await asyncio.wait_for(third, WITHIN_S) == "cheap"
    assert await asyncio.to_thread(ended.wait, WITHIN_S)
    await until(lambda: failures("hang_up") == before + 2)


async def test_an_account_waits_for_itself_and_not_for_others(slots: QuerySlots) -> None:
    heavy = [asking(slots, "a") for _ in range(3)]

    assert await asyncio.wait_for(asking(slots, "b", lambda: "cheap"), WITHIN_S) == "cheap"
    assert not any(query.done() for query in heavy)


async def test_a_query_is_cancelled_by_its_id_whether_it_runs_or_waits(slots: QuerySlots) -> None:
    asked = [asking(slots, "a"), asking(slots, "a")]
    await until(lambda: len(slots.active("a")) == 2)

    ids = [query.id for query in slots.active("a")]
    assert not slots.cancel("b", ids[0])
    assert all(slots.cancel("a", query_id) for query_id in ids)

    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in answers] == [QueryCancelled, QueryCancelled]
    assert slots.active("a") == []


async def test_a_query_ends_when_its_time_is_over(slots: QuerySlots) -> None:
    with pytest.raises(QueryTimeout, match=r"0\.01 s"):
        await slots.run(Asker("a"), endless, timeout_s=0.01)


async def test_what_cannot_be_interrupted_is_given_up_and_its_slot_is_anothers(slots: QuerySlots) -> None:
    release, began = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        began.release()
        release.wait(WITHIN_S)

    stuck = [asking(slots, "a", work), asking(slots, "b", work)]
    third = asking(slots, "c", lambda: "cheap")
    for _ in stuck:
        assert await asyncio.to_thread(began.acquire, timeout=WITHIN_S)
    for account in ("a", "b"):
        assert slots.cancel(account, slots.active(account)[0].id)

    answers = await asyncio.gather(*stuck, return_exceptions=True)

    assert [type(error) for error in answers] == [QueryCancelled, QueryCancelled]
    assert await asyncio.wait_for(third, WITHIN_S) == "cheap"
    labels = {"kind": "query", "state": "given_up"}
    assert REGISTRY.get_sample_value("streamgauge_http_queries", labels) == 2
    release.set()
    await until(lambda: REGISTRY.get_sample_value("streamgauge_http_queries", labels) == 0)


async def test_more_than_may_wait_are_refused_and_the_next_is_not(slots: QuerySlots) -> None:
    """Rather than answered ever later."""
    heavy = [asking(slots, "a") for _ in range(3)]
    await until(lambda: len(slots.active("a")) == 3)

    with pytest.raises(Busy, match="2 queries of 'a' are waiting already"):
        await slots.run(Asker("a"), endless)

    heavy[0].cancel()
    await until(lambda: len(slots.active("a")) == 2)
    asking(slots, "a")


async def test_a_query_beyond_the_quota_is_refused_while_those_before_it_are_active() -> None:
    def admit(account: str, active: int) -> None:
        if active >= 2:
            raise OverQuota(f"{active} queries of {account}")

    slots = QuerySlots(limits=Limits(slots=4, per_account=1), admit=admit)
    running, waiting = asking(slots, "a"), asking(slots, "a")
    await until(lambda: len(slots.active("a")) == 2)

    with pytest.raises(OverQuota, match="2 queries of a"):
        await slots.run(Asker("a"), lambda: 1)
    other = await slots.run(Asker("b"), lambda: 1)
    running.cancel()
    await until(lambda: len(slots.active("a")) == 1)
    waiting.cancel()

    assert other == 1
    slots.close()
