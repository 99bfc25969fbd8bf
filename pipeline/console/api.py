"""Asks the HTTP API, as any other client does: with the visitor's token, over HTTP."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.console.feeds import MOST_FEEDS
from pipeline.console.settings import ConsoleSettings

TIMEOUT_S = 90.0  # SQL may take 60
MOST_CONNECTIONS = 32  # besides those on which events come, of which there is one for each live page at most

Parameters = Sequence[tuple[str, str]]


def segment(text: str) -> str:
    """What a visitor sent as one segment of a path, whatever is in it."""
    return quote(text, safe="")


class ApiRefused(ServerRefused):
    """The API answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or f"the API answered with the status {status}"))
        self.status = status
        self.problem = problem


class Api:
    """A client of the API for all visitors."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, token: str | None, path: str, parameters: Parameters = ()) -> Any:
        """The JSON at `path`. Raises ApiRefused, ServerUnreachable."""
        return (await self._ask(self._request("GET", token, path, params=list(parameters)))).json()

    async def text(self, token: str | None, path: str, parameters: Parameters = ()) -> str:
        """The text at `path`. Raises as `get`."""
        return (await self._ask(self._request("GET", token, path, params=list(parameters)))).text

    async def post(self, token: str | None, path: str, body: object) -> Any:
        """The JSON that answers a POST. Raises as `get`."""
        return (await self.answer(token, path, body)).json()

    async def answer(self, token: str | None, path: str, body: object) -> httpx.Response:
        """The response to a POST, read. Raises as `get`."""
        return await self._ask(self._request("POST", token, path, json=body))

    async def events(
        self, token: str | None, path: str, parameters: Parameters = ()
    ) -> AsyncGenerator[tuple[str, Any], None]:
        """The server-sent events at `path`, as they come: kind and JSON. Raises as `get`, also when they break off."""
        response = await self._ask(self._request("GET", token, path, params=list(parameters)), stream=True)
        kind = ""
        try:
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, orjson.loads(value)
        except httpx.HTTPError as error:
            raise ServerUnreachable(f"the API at {self._http.base_url} has broken off: {error}") from error
        finally:
            await response.aclose()

    @asynccontextmanager
    async def download(self, token: str | None, path: str, body: object) -> AsyncIterator[httpx.Response]:
        """The response to a POST, whose body has not been read. Raises as `get`."""
        response = await self._ask(self._request("POST", token, path, json=body), stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    def _request(self, method: str, token: str | None, path: str, **options: Any) -> httpx.Request:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self._http.build_request(method, path, headers=headers, **options)

    async def _ask(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        try:
            response = await self._http.send(request, stream=stream)
            if response.is_error:
                await response.aread()
        except httpx.HTTPError as error:
            raise ServerUnreachable(f"the API at {self._http.base_url} does not answer: {error}") from error
        if response.is_error and request.url.path != "/readyz":  # which says so when the stream is behind
            raise ApiRefused(response.status_code, _problem(response))
        return response


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def connect(settings: ConsoleSettings, trust: ssl.SSLContext | None) -> Api:
    """A client for the API of these settings."""
    limits = httpx.Limits(max_connections=MOST_CONNECTIONS + MOST_FEEDS)
    return Api(httpx.AsyncClient(base_url=settings.api, timeout=TIMEOUT_S, limits=limits, verify=trust or False))


def trusted_by(settings: ConsoleSettings) -> ssl.SSLContext | None:
    """The usual authorities, or exactly the API's own certificate, under whatever name; None: it has no HTTPS."""
    if settings.api.startswith("http://"):
        return None
    if settings.trusted is None:
        return ssl.create_default_context()
    context = ssl.create_default_context(cafile=settings.trusted)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context
