"""An API of the console's whose events come when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson

from pipeline.console.api import Api


class ToldEvents:
    """Each question is answered with the events that are told from then on; None ends a connection.

    asked  the parameters of each question
    """

    def __init__(self) -> None:
        self._events: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
        self.asked: list[str] = []
        transport = httpx.MockTransport(self._answer)
        self.api = Api(httpx.AsyncClient(transport=transport, base_url="http://api.test"))

    def tell(self, *events: tuple[str, Any] | None) -> None:
        """These come next."""
        for event in events:
            self._events.put_nowait(event)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url.params))
        return httpx.Response(200, content=self._stream())

    async def _stream(self) -> AsyncIterator[bytes]:
        while (event := await self._events.get()) is not None:
            kind, data = event
            yield f"event: {kind}\ndata: ".encode() + orjson.dumps(data) + b"\n\n: ping\n\n"
