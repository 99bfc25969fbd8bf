"""Refuses hosts that are not ours and forms of other sites; pages load, and are loaded by, nothing but our own."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.base.web_hosts import AnsweredHosts, is_page_of

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
FOR_EVER = "public, max-age=31536000, immutable"  # the path of static files names their content


class Guard:
    """Middleware around the whole application. `hosts`: for which it answers; None: any."""

    def __init__(self, app: ASGIApp, hosts: AnsweredHosts | None = None) -> None:
        self._app = app
        self._hosts = hosts

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

        answer = self._refusal(scope["method"], Headers(scope=scope)) or self._app
        await answer(scope, receive, with_headers)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        misdirected = self._hosts.refusal(headers.get("host")) if self._hosts else None
        if misdirected:
            return PlainTextResponse(misdirected, 421)
        if method == "POST" and not is_own(headers):
            return PlainTextResponse("a form is sent from a page of this console only", 403)
        return None


def is_own(headers: Headers) -> bool:
    """Whether a page of this console sent the form: browsers say where it came from."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return is_page_of(headers.get("origin"), headers.get("host"))
