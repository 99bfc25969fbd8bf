"""Batches of a stream's events end at the first limit that is reached, and hold every event once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.stream.batching import take

LONG_S = 60.0


@dataclass
class Stream:
    """Events of these sizes; then it ends, fails, or says nothing more."""

    sizes: list[int]
    end: BaseException | None = None
    is_silent: bool = False
    is_closed: bool = False

    async def events(self) -> AsyncIterator[Any]:
        try:
            for size in self.sizes:
                await asyncio.sleep(0)
                yield SimpleNamespace(message=SimpleNamespace(value=bytes(size)))
            if self.end is not None:
                raise self.end
            if self.is_silent:
                await asyncio.Event().wait()
        finally:
            self.is_closed = True


def never(_: Any) -> bool:
    return False


def sizes(batch: list[Any]) -> list[int]:
    return [len(event.message.value) for event in batch]


@pytest.mark.parametrize(
    ("given", "batches"),
    [
        ([], []),
        ([5], [[5]]),
        ([1, 2, 3, 4, 5], [[1, 2, 3], [4, 5]]),
        ([4, 6, 1, 10, 2], [[4, 6], [1, 10], [2]]),
        ([100, 100, 1], [[100], [100], [1]]),
    ],
)
async def test_a_batch_ends_with_the_event_that_reaches_a_limit(given: list[int], batches: list[list[int]]) -> None:
    stream = Stream(given)

    found = [sizes(batch) async for batch in take(stream, max_events=3, max_bytes=10, within_s=LONG_S, is_urgent=never)]

    assert found == batches
    assert stream.is_closed


async def test_what_there_is_comes_after_a_while_though_nothing_follows() -> None:
    stream = Stream([1, 2], is_silent=True)
    taking = take(stream, max_events=100, max_bytes=100, within_s=0.05, is_urgent=never)

    async with asyncio.timeout(60):
        first = await anext(taking)
    await taking.aclose()

    assert sizes(first) == [1, 2]
    assert stream.is_closed


async def test_an_urgent_event_waits_for_no_other() -> None:
    stream = Stream([1, 2], is_silent=True)
    taking = take(
        stream, max_events=100, max_bytes=100, within_s=LONG_S, is_urgent=lambda event: len(event.message.value) == 2
    )

    async with asyncio.timeout(LONG_S / 2):
        first = await anext(taking)
    await taking.aclose()

    assert sizes(first) == [1, 2]


async def test_an_error_of_the_stream_is_the_takers() -> None:
    stream = Stream([1], end=RuntimeError("the log is gone"))

    with pytest.raises(RuntimeError, match="the log is gone"):
        async for _ in take(stream, max_events=100, max_bytes=100, within_s=LONG_S, is_urgent=never):
            pass
    assert stream.is_closed
