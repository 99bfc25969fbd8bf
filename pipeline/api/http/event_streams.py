"""Responses of server-sent events (html.spec.whatwg.org, "Server-sent events")."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pipeline.api.http.open_streams import OpenStreams

EVENTS = "text/event-stream"
PING_EVERY_S = 15.0  # so that proxies keep the connection
SLOW_S = 30.0
PING = format_sse_event(data_str=None, comment="ping")


class EventStream(StreamingResponse):
    """A response that counts as an open stream as long as it is sent."""

    def __init__(self, streams: OpenStreams, account: str, content: AsyncIterator[bytes]) -> None:
        super().__init__(content, media_type=EVENTS, headers={"cache-control": "no-store"})
        self._streams = streams
        self._account = account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, counted."""
        with self._streams.opened(self._account):
            await super().__call__(scope, receive, send)


def word(event: str, detail: str) -> bytes:
    """An event that tells something about the stream itself."""
    return format_sse_event(data_str=orjson.dumps({"detail": detail}).decode(), event=event)


def too_slow() -> bytes:
    """The last event for a client that did not take one in time."""
    return word("closed", f"an event was not taken within {SLOW_S:g} s; connect again to get the rest")
