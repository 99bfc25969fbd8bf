"""The application: its pages, and what is refused before any of them is asked."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.base.errors import ServerUnreachable
from pipeline.base.web_hosts import AnsweredHosts
from pipeline.console.api import Api, ApiRefused
from pipeline.console.feeds import TooManyBrowsers
from pipeline.console.guard import Guard
from pipeline.console.pages import alerts, device, devices, ingest, overview, query, rules, sign_in, system, zone
from pipeline.console.rendering import STATIC, Pages, url
from pipeline.console.site import SignInNeeded, Site, site_of

PAGES = (sign_in, overview, alerts, zone, query, ingest, devices, device, rules, system)


def create_app(
    api: Api, *, cookie: str = "streamgauge", is_secure: bool = False, hosts: AnsweredHosts | None = None
) -> Starlette:
    """The application over an API, which is closed with it.

    cookie  the name of its cookie
    hosts   for which it answers; None: any
    """
    pages = Pages()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await app.state.site.feeds.close()
        await api.close()

    app = Starlette(
        routes=[
            Route("/healthz", _healthz),
            Mount(pages.static, StaticFiles(directory=STATIC)),
            *(route for module in PAGES for route in module.ROUTES),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000), Middleware(Guard, hosts=hosts)],
        exception_handlers={
            SignInNeeded: _to_sign_in,
            ApiRefused: _refused,
            ServerUnreachable: _unreachable,
            TooManyBrowsers: _too_many,
            HTTPException: _http_error,
        },
        lifespan=lifespan,
    )
    app.state.site = Site(api, cookie, pages, is_secure)
    return app


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _to_sign_in(request: Request, _: Exception) -> Response:
    place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = url("/sign-in", next=None if request.method != "GET" or is_part(request) else place)
    if is_part(request):
        return Response(headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


async def _refused(request: Request, error: Exception) -> Response:
    """What the API did not do, in its words: as a page, or in the place of the part that was asked for."""
    assert isinstance(error, ApiRefused)
    return await _told(request, str(error), error.status)


async def _unreachable(request: Request, error: Exception) -> Response:
    return await _told(request, f"{error}. Start it with: streamgauge up", 502)


async def _too_many(_: Request, __: Exception) -> Response:
    return PlainTextResponse("too many live pages are open; this one shows what there was", 503)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = f"There is no page {request.url.path}." if error.status_code == 404 else error.detail
    return await _told(request, told, error.status_code)


async def _told(request: Request, told: str, status: int) -> Response:
    if is_part(request):  # htmx swaps nothing for an error: 200, and the message is an alert of the page
        return Response(f'<p class="problem" role="alert">{html.escape(told)}</p>', media_type="text/html")
    site = site_of(request)
    try:
        visitor = await site.visitor(request)
    except (SignInNeeded, ApiRefused, ServerUnreachable):
        visitor = None
    return site.page("problem.html", visitor, status, told=told, title="Not possible", here="")


def is_part(request: Request) -> bool:
    """Whether a part of a page is asked for, not a page."""
    return "hx-request" in request.headers
