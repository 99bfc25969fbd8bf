"""ETags of answers under /v1 (RFC 9110, 8.8.3), and 304 for a client that has this answer already.

The tag is a hash of the answer, so it is made anew for each request: a 304 saves bytes, and what the client would do
with them. Answers that are sent in parts have none.
"""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_BODY = ("content-length", "content-type")


class ETags:
    """ASGI middleware around the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say that nothing has changed."""
        if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and scope["path"].startswith("/v1/"):
            send = _Tagging(send, Headers(scope=scope).get("if-none-match", ""))
        await self._app(scope, receive, send)


class _Tagging:
    """Holds the start of a response back until it is known whether its body is whole."""

    def __init__(self, send: Send, known: str) -> None:
        self._send = send
        self._known = {tag.strip().removeprefix("W/") for tag in known.split(",")} - {""}
        self._start: dict[str, Any] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = dict(message)
            return
        if self._start is not None:
            start, self._start = self._start, None
            if not message.get("more_body") and message["type"] == "http.response.body":
                message = self._tagged(start, message)
            await self._send(start)
        await self._send(message)

    def _tagged(self, start: dict[str, Any], body: Message) -> Message:
        """The body that is to be sent; `start` gets the tag."""
        headers = MutableHeaders(raw=list(start["headers"]))
        tag = f'"{hashlib.blake2b(body.get("body", b""), digest_size=12).hexdigest()}"'
        headers["etag"] = tag
        headers.setdefault("cache-control", "private, no-cache")
        if self._known & {tag, "*"}:
            start["status"], body = 304, {**body, "body": b""}
            for name in _OF_BODY:
                del headers[name]
        start["headers"] = headers.raw
        return body
