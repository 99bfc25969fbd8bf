"""Refuses forms of other sites, and keeps pages from loading or being loaded by anything but our own."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
FOR_EVER = "public, max-age=31536000, immutable"  # the path of static files names their content


class Guard:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kept = FOR_EVER if scope["path"].startswith("/static/") else "no-store"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", kept if message["status"] == 200 else "no-store")
            await send(message)

        if scope["method"] == "POST" and not is_own(Headers(scope=scope)):
            refusal = PlainTextResponse("a form is sent from a page of this console only", 403)
            await refusal(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def is_own(headers: Headers) -> bool:
    """Whether a page of this console sent the form: browsers say where it came from."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host")
