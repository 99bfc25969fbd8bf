"""What `/v1/live` says of an account: its zones and totals, kept up to date while a page shows them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Self

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.console.api import Api, Parameters

AGAIN_S = 2.0  # after the API did not answer, or ended the events


class LiveZones:
    """An async context manager that listens until the end of its block.

    measure             of which zones have values; None: of the first ones of their tables
    zones               by table and name, as `LiveZone` of the API
    series              how many the account has
    records_per_second  that arrive; None: not known yet
    """

    def __init__(self, api: Api, token: str | None, measure: str | None) -> None:
        self._api = api
        self.measure = measure
        self._token = token
        self._asked: Parameters = (("devices", "0"), *((("measure", measure),) if measure else ()))
        self._heard = asyncio.Event()
        self._trouble: Exception | None = None
        self._have_alerts_changed = False
        self.zones: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.series = 0
        self.records_per_second: float | None = None

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

    def alerts_changed(self) -> bool:
        """Whether alerts have changed since this was asked last."""
        changed, self._have_alerts_changed = self._have_alerts_changed, False
        return changed

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
        self._have_alerts_changed = True  # while nobody listened
        zones: dict[tuple[str, str], Mapping[str, Any]] = {}
        async with contextlib.aclosing(self._api.events(self._token, "/v1/live", (*self._asked, *more))) as events:
            async for kind, data in events:
                if kind == "zones":
                    zones |= {(zone["table"], zone["zone"]): zone for zone in data["zones"]}
                elif kind == "devices":  # comes after the zones
                    self.zones, self._trouble = zones, None
                    self.series, self.records_per_second = data["series"], data["records_per_second"]
                    self._heard.set()
                elif kind == "alerts":
                    self._have_alerts_changed = True
                else:  # unavailable, closed: what is told next is not all that has changed
                    raise ServerUnreachable(data["detail"])
