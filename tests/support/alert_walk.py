"""Alerts that walk through their states by API and command, under a plan from YAML, in time that tests move."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from pipeline.alerting.routing.plan import AlertPlan
from pipeline.log.topics import ALERTS
from pipeline.operations import client
from pipeline.operations.cli.group import run
from store.values.times import rfc3339
from tests.support.alert_entries import entry
from tests.support.http_service import NS, HttpService


class InProcess(httpx.BaseTransport):
    """Asks an application without a network, from code that waits for the answer."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._runner = asyncio.Runner()
        self._life = app.router.lifespan_context(app)
        self._runner.run(self._enter())

    async def _enter(self) -> None:
        await self._life.__aenter__()

    async def _leave(self) -> None:
        await self._life.__aexit__(None, None, None)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._runner.run(self._ask(request))

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        response = await httpx.ASGITransport(self._app).handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        content = b"".join([part async for part in response.stream])
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    def end(self) -> None:
        self._runner.run(self._leave())
        self._runner.close()


class Walk:
    """Time goes on from Monday, 2026-11-23T10:00:00Z. Tokens are the names of their accounts."""

    def __init__(self, folder: Path, plan: AlertPlan, accounts: list[str], patch: pytest.MonkeyPatch) -> None:
        self.plan = plan
        self.service = HttpService(folder, {account: account for account in accounts})
        self._partition = self.service.admin.partition_id(ALERTS)
        self._read = 0
        self._patch = patch
        self._inside = InProcess(self.service.app)
        make = httpx.Client
        patch.setattr(httpx, "Client", lambda **given: make(**given, transport=self._inside))

    def close(self) -> None:
        self._inside.end()
        self.service.close()

    @property
    def second(self) -> int:
        """Seconds since the beginning."""
        return (self.service.clock.now_ns // NS) - 1_795_428_000

    def event(self, alert_id: str, status: str = "firing", **others: Any) -> None:
        """What a rule appends at this moment."""
        self._take([entry(alert_id, status, at=rfc3339(self.service.clock()), **others)])

    def at(self, hours: int, minutes: int, seconds: int = 0, *, days: int = 0) -> None:
        """Go on until this time of the day, so many days after the first; groups are told when they are due."""
        until_s = ((days * 24 + hours - 10) * 60 + minutes) * 60 + seconds
        assert until_s >= self.second
        while (due_ns := self.service.alerts.next_group_ns(self.plan)) is not None:
            due_s = -(-due_ns // NS) - 1_795_428_000
            if due_s > until_s:
                break
            self._move(max(due_s, self.second))
            self._tell()
        self._move(until_s)

    def command(self, account: str, *arguments: str) -> Any:
        """The output of a command for this account, read as JSON where it is."""
        said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        self._patch.setenv("STREAMGAUGE_TOKEN", account)
        with contextlib.redirect_stdout(said):
            code = run([*arguments, "--endpoint", "http://walk.test"])
        said.seek(0)
        output = said.read().strip()
        assert code == 0, output
        self._take_appended()
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(output)
        return output

    def ask(self, account: str, method: str, path: str, **body: Any) -> Any:
        """The answer to a request of this account."""
        with client.Client("http://walk.test", account) as server:
            parts = path.strip("/").split("/")
            answer = server.post(*parts, body=body).json() if method == "POST" else server.get(*parts)
        self._take_appended()
        return answer

    def told(self, receiver: str) -> list[str]:
        """What this receiver was told, in order: `alert.status` of each alert, joined by +."""
        found = self.service.alerts.deliveries(receiver=receiver, limit=1000)
        return [
            "+".join(
                f"{data['id']}.{data['status']}" for one in each.content["alerts"] if (data := one["event"]["data"])
            )
            for each in reversed(found)
        ]

    def _move(self, second: int) -> None:
        self.service.clock.now_ns = (1_795_428_000 + second) * NS

    def _tell(self) -> None:
        now_ns = self.service.clock()
        self._take(self.service.alerts.groups_due(self.plan, now_ns=now_ns, wall_ns=now_ns))

    def _take_appended(self) -> None:
        """What the stage does with messages that the API has appended."""
        for message in list(self.service.admin.read(ALERTS, self._read, 1000)):
            self._read += 1
            self._take(orjson.loads(message.value))
        self._tell()

    def _take(self, events: list[Any]) -> None:
        offset = self.service.alerts.next_offset(self._partition) or 0
        self.service.alerts.accept(self._partition, offset, events, self.plan, now_ns=self.service.clock())
