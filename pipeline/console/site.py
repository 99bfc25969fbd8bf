"""What all pages have in common: who visits, how answers of the API become HTML, and what is refused."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse

from pipeline.console.api import Api, ApiRefused
from pipeline.console.event_stream import EventStream
from pipeline.console.feeds import Feeds, Render
from pipeline.console.rate import Rate
from pipeline.console.rendering import Pages
from pipeline.console.sessions import Sessions
from pipeline.console.shared_answers import SharedAnswers

MOST_FORM_BYTES = 4 << 20


class SignInNeeded(Exception):
    """The API asks for a token, and the visitor has none that it knows."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page: their token, and what the API says of it."""

    token: str | None
    account: str
    role: str
    has_signed_in: bool

    @property
    def may_change(self) -> bool:
        """Whether forms are shown that change something. It is the API that refuses."""
        return self.role != "read"


@dataclass(slots=True)
class Site:
    """The console's parts, for its pages."""

    api: Api
    cookie: str
    pages: Pages
    is_secure: bool = False
    sessions: Sessions = field(default_factory=Sessions)
    feeds: Feeds = field(default_factory=Feeds)
    rate: Rate = field(default_factory=Rate)  # of messages
    shared: SharedAnswers = field(init=False)

    def __post_init__(self) -> None:
        self.shared = SharedAnswers(self.api)

    async def visitor(self, request: Request) -> Visitor:
        """Who sent the request. Raises SignInNeeded, and what `Api.get` raises."""
        token = self.sessions.token_of(request.cookies.get(self.cookie))
        return await self.known(token)

    async def known(self, token: str | None) -> Visitor:
        """Whose token it is. Raises as `visitor`."""
        try:
            me = await self.shared.get(token, "/v1/me", fresh_s=10)
        except ApiRefused as error:
            if error.status == 401:
                raise SignInNeeded from error
            raise
        return Visitor(token, me["account"], me["role"], me["tokens"])

    def live(
        self,
        request: Request,
        visitor: Visitor,
        key: Hashable,
        render: Render,
        during: AbstractAsyncContextManager[object] | None = None,
    ) -> EventStream:
        """Live parts of a page, the same for all with this key and token, until the visitor's session ends.

        `during` is left when nobody looks any more. Raises TooManyBrowsers.
        """
        key, session_id = (key, visitor.token), request.cookies.get(self.cookie)
        self.feeds.check(key)

        def goes_on() -> bool:
            return self.sessions.token_of(session_id) == visitor.token

        return EventStream(self.feeds.events(key, render, goes_on, during))

    def page(self, name: str, visitor: Visitor | None, code: int = 200, /, **values: Any) -> HTMLResponse:
        """A whole page, or a part of one, from the template `name`."""
        return HTMLResponse(self.pages.render(name, visitor=visitor, **values), code)


def site_of(request: Request) -> Site:
    """The site of this application."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form, the last value of each."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            raise ApiRefused(413, {"detail": f"a form has at most {MOST_FORM_BYTES:,} bytes"})
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
