"""The console over the HTTP application, both without a network: what a browser would get, as text."""

from __future__ import annotations

import html
import re
from contextlib import AsyncExitStack
from typing import Self

import httpx
from starlette.applications import Starlette

from pipeline.base.web_hosts import AnsweredHosts
from pipeline.console.api import Api
from pipeline.console.app import create_app
from tests.support.http_service import HttpService

URL = "http://console.test"


class ConsolePages:
    """A console and a browser without scripts. An async context manager."""

    def __init__(self, service: HttpService, hosts: AnsweredHosts | None = None) -> None:
        self.service = service
        self.app: Starlette = create_app(Api(service.client()), hosts=hosts)
        self._open = AsyncExitStack()
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        headers = {"sec-fetch-site": "same-origin"}
        self.browser = httpx.AsyncClient(transport=transport, base_url=URL, headers=headers, follow_redirects=True)

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self.service.app.router.lifespan_context(self.service.app))
        await self._open.enter_async_context(self.app.router.lifespan_context(self.app))
        await self._open.enter_async_context(self.browser)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()
        self.service.close()

    async def sign_in(self, token: str, target: str = "/") -> httpx.Response:
        """The page after the form was sent."""
        return await self.browser.post("/sign-in", data={"token": token, "next": target})

    async def text(self, path: str, status: int = 200) -> str:
        """What a page says, without its tags."""
        response = await self.browser.get(path)
        assert response.status_code == status, response.text
        return text_of(response)


def text_of(response: httpx.Response) -> str:
    """The words of a page, with single spaces between."""
    shown = re.sub(r"<script.*?</script>|<style.*?</style>", " ", response.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", shown)).split())
