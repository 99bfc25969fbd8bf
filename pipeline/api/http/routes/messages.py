"""`/v1/messages`: what arrives, as it was sent and as it was understood, as server-sent events.

One look at the log serves all clients of an account with the same filter (`live_feeds`); without clients there is none.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse

from pipeline.api.http.event_streams import EventStream
from pipeline.api.http.live_feeds import Followed, MessageFeed
from pipeline.api.http.openapi import events_of, refusals
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.services import Services, account, services
from pipeline.api.http.showing import shown_message
from pipeline.api.http.slots import Asker
from pipeline.api.http.sources import Source, sent
from pipeline.api.inventory.arriving import LogEnd
from pipeline.api.inventory.understanding import understood_by
from pipeline.config.brokers import check_filter

router = APIRouter(prefix="/v1/messages", tags=["messages"])


@router.get(
    "",
    summary="The messages that arrive, as sent and as understood",
    response_class=StreamingResponse,
    responses={200: events_of("LiveMessages"), **refusals(503)},
)
async def messages(
    parts: Annotated[Services, Depends(services)],
    account: Annotated[str, Depends(account)],
    mqtt_topic: Annotated[str, Query(description="an MQTT topic filter, as greenhouse/+/gh-01/#")] = "#",
    follow: Annotated[bool, Query(description="whether to wait for more; false: the newest that there are")] = True,
) -> StreamingResponse:
    """At most two events a second, each with at most the 20 newest messages, and the number of all that matched."""
    try:
        check_filter(mqtt_topic)
    except ValueError as error:
        raise bad_parameter("mqtt_topic", mqtt_topic, str(error)) from None
    parts.streams.check(account, parts.limits)
    return EventStream(parts.streams, account, events(parts, account, mqtt_topic, follow=follow))


async def events(
    parts: Services, account: str, topic_filter: str, *, follow: bool, now_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[bytes]:
    """The events for a client, as bytes."""
    end = LogEnd(parts.log, account, topic_filter)
    with parts.live.messages.followed((account, topic_filter), lambda feed: _look(parts, account, end, feed)) as feed:
        async for event in sent([_Messages(feed)], follow=follow, now_s=now_s):
            yield event


async def _look(parts: Services, account: str, end: LogEnd, feed: MessageFeed) -> None:
    def answer() -> tuple[list[bytes], int, int]:
        found = end.look()
        with understood_by(parts.store, parts.routes, account) as understand:
            shown = [orjson.dumps(shown_message(arrival, understand)) for arrival in found.newest]
        return shown, found.matched, found.unread_frames

    feed.take(*await parts.lists.run(Asker(account), answer, text="messages"))


class _Messages(Source):
    """The events `messages` for one client."""

    def __init__(self, followed: Followed[MessageFeed]) -> None:
        super().__init__(followed)
        self._known = 0, (0, 0)  # look, and what was counted then

    async def news(self) -> AsyncIterator[bytes]:
        """See `Source`."""
        feed: MessageFeed = self.followed.feed
        known, self._known = self._known, (feed.looks, feed.counted)
        data = feed.since(*known)
        if data is not None:
            yield format_sse_event(data_str=data.decode(), event="messages")
