"""What `/v1/messages` tells is kept, the newest first: all of it at first, then what comes."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.base.errors import ServerUnreachable
from pipeline.console import following
from pipeline.console.live_messages import MOST_MESSAGES, LiveMessages
from tests.support.broker_intake import until
from tests.support.told_events import ToldEvents


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "AGAIN_S", 0)


def messages(*numbers: int) -> tuple[str, Any]:
    """An event, oldest first as the API sends them."""
    listed = [{"mqtt_topic": f"a/{number}"} for number in numbers]
    return "messages", {"messages": listed, "matched": len(numbers), "unread_frames": 0}


def numbers_of(live: LiveMessages) -> list[int]:
    return [int(message["mqtt_topic"].removeprefix("a/")) for message in live.newest]


async def test_those_that_come_are_before_those_that_were_there_up_to_a_number() -> None:
    told = ToldEvents()
    async with LiveMessages(told.api, None, "a/#") as live:
        told.tell(messages())
        await live.heard()
        assert numbers_of(live) == []
        told.tell(messages(1, 2), messages(3))
        await until(lambda: len(live.newest) == 3)
        assert numbers_of(live) == [3, 2, 1]
        told.tell(messages(*range(4, MOST_MESSAGES + 2)))
        await until(lambda: len(live.newest) == MOST_MESSAGES)

        assert numbers_of(live) == [*range(MOST_MESSAGES + 1, 1, -1)]
        assert told.asked == ["mqtt_topic=a%2F%23"]


async def test_after_a_break_they_are_told_anew_and_none_is_there_twice() -> None:
    told = ToldEvents()
    async with LiveMessages(told.api, None, "#") as live:
        told.tell(messages(1, 2), None)
        await until(lambda: len(told.asked) == 2)
        with pytest.raises(ServerUnreachable, match="has ended the events"):
            await live.heard()
        told.tell(messages(1, 2, 3))
        await until(lambda: len(live.newest) == 3)
        await live.heard()

        assert numbers_of(live) == [3, 2, 1]


async def test_a_look_asks_once() -> None:
    told = ToldEvents()
    live = LiveMessages(told.api, None, "#")
    told.tell(messages(1), None)

    await live.look()

    assert numbers_of(live) == [1]
    assert told.asked == ["mqtt_topic=%23&follow=false"]
