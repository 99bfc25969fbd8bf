"""What streams of the API say, kept up to date while a page shows it."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Any, Self

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.console.api import Api, Parameters

AGAIN_S = 2.0  # after the API did not answer, or ended the events
TROUBLE = frozenset({"unavailable", "missed", "closed"})  # events: what is told next is not all that has changed


class Following(ABC):
    """An async context manager that listens to the events at `path` until the end of its block."""

    def __init__(self, api: Api, token: str | None, path: str, asked: Parameters) -> None:
        self._api = api
        self._token = token
        self._path = path
        self._asked = asked
        self._heard = asyncio.Event()
        self._trouble: Exception | None = None

    @abstractmethod
    def _begin(self) -> None:
        """What is told next is everything, not what has changed."""

    @abstractmethod
    def _take(self, kind: str, data: Any) -> bool:
        """Take over an event; whether everything was told by now."""

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening

    async def look(self) -> None:
        """Learn how things are now, without listening. Raises ServerRefused, ServerUnreachable."""
        await self._take_all(("follow", "false"))

    async def heard(self) -> None:
        """Return once everything has been told. Raises why nothing is: ServerRefused, ServerUnreachable."""
        await self._heard.wait()
        if self._trouble is not None:
            raise self._trouble

    async def _listen(self) -> None:
        while True:
            try:
                await self._take_all()
                self._trouble = ServerUnreachable("the API has ended the events")
            except (ServerRefused, ServerUnreachable) as error:
                self._trouble = error
            self._heard.set()
            await asyncio.sleep(AGAIN_S)

    async def _take_all(self, *more: tuple[str, str]) -> None:
        self._begin()
        async with contextlib.aclosing(self._api.events(self._token, self._path, (*self._asked, *more))) as events:
            async for kind, data in events:
                if kind in TROUBLE:
                    raise ServerUnreachable(data["detail"])
                if self._take(kind, data):
                    self._trouble = None
                    self._heard.set()
