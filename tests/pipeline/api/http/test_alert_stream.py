"""The stream of alerts: resumed, bounded, limited, and of one account alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
import pytest
from prometheus_client import REGISTRY

from pipeline.api.http.event_streams import PING_EVERY_S, SLOW_S
from pipeline.api.http.routes import alert_stream
from pipeline.api.http.routes.alert_stream import MOST_AT_ONCE, events
from pipeline.config.model import HttpLimits
from tests.support.http_service import HttpService

TOKENS = {f"token-{number}": f"farm-{number}" for number in range(10)}


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpService]:
    monkeypatch.setattr(alert_stream, "LOOK_EVERY_S", 0)
    made = HttpService(tmp_path, TOKENS)
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


class Seconds:
    """Steady time that moves by so much whenever it is asked for."""

    def __init__(self, step_s: float) -> None:
        self.now_s = 100.0
        self._step_s = step_s

    def __call__(self) -> float:
        self.now_s += self._step_s
        return self.now_s


class Followed:
    """A stream that is read event by event."""

    def __init__(self, service: HttpService, account: str, after: int = 0, step_s: float = 0) -> None:
        self.time = Seconds(step_s)
        parts = service.app.state.services
        stream = events(parts, account, after, follow=True, now_s=self.time)
        self.stream = cast("AsyncGenerator[bytes]", stream)

    async def next(self) -> tuple[str, Any]:
        """The kind of the next event, and its data; of a comment its text."""
        async with asyncio.timeout(30):
            lines = (await anext(self.stream)).decode().strip().splitlines()
        fields = dict(line.split(": ", 1) for line in lines)
        return fields.get("event") or fields[""], orjson.loads(fields.get("data", "null"))


async def whole(http: httpx.AsyncClient, **headers: str) -> list[tuple[str, str]]:
    """Kinds and alerts of all events until now."""
    answer = await http.get("/v1/alerts/stream?follow=false", headers=headers)
    assert answer.status_code == 200, answer.text
    found = [dict(line.split(": ", 1) for line in event.splitlines()) for event in answer.text.strip().split("\n\n")]
    return [(event["event"], orjson.loads(event["data"]).get("id")) for event in found]


async def test_each_of_ten_accounts_hears_of_its_own_alerts_alone(service: HttpService) -> None:
    streams = {account: Followed(service, account) for account in TOKENS.values()}
    for status in ("firing", "resolved"):
        for account in TOKENS.values():
            service.alert(f"of-{account}", status, account=account)

    heard = {account: [await of.next(), await of.next()] for account, of in streams.items()}

    assert {account: [data["id"] for _, data in found] for account, found in heard.items()} == {
        account: [f"of-{account}"] * 2 for account in TOKENS.values()
    }
    for of in streams.values():
        of.time.now_s += PING_EVERY_S
        assert await of.next() == ("ping", None)


async def test_more_events_than_are_read_at_once_come_in_order(service: HttpService) -> None:
    for number in range(MOST_AT_ONCE + 1):
        service.alert(f"a{number}", account="farm-1")
    stream = Followed(service, "farm-1")

    heard = [(await stream.next())[1]["id"] for _ in range(MOST_AT_ONCE + 1)]

    assert heard == [f"a{number}" for number in range(MOST_AT_ONCE + 1)]


async def test_a_client_goes_on_after_the_last_event_that_it_knows(service: HttpService) -> None:
    for number in range(3):
        service.alert(f"a{number}", account="farm-1")
    async with service.client("token-1") as http:
        assert await whole(http, **{"last-event-id": "2"}) == [("firing", "a2")]
        refused = await http.get("/v1/alerts/stream?follow=false", headers={"last-event-id": "two"})

    assert refused.status_code == 400
    assert "last-event-id" in refused.text


@pytest.mark.parametrize(("known", "told"), [(1, None), (99, "there is no event 99")])
async def test_a_client_is_told_when_it_knows_an_event_that_there_is_not(
    service: HttpService, known: int, told: str | None
) -> None:
    service.alert("a1", account="farm-1")
    stream = Followed(service, "farm-1", known)
    if told is not None:
        kind, data = await stream.next()
        assert kind == "missed"
        assert data["detail"].startswith(told)

    service.alert("a2", account="farm-1")

    assert (await stream.next())[1]["id"] == "a2"


@pytest.mark.parametrize(("slow_s", "is_closed"), [(SLOW_S - 1, False), (SLOW_S, False), (SLOW_S + 1, True)])
async def test_a_client_that_does_not_take_events_is_closed_with_a_word(
    service: HttpService, slow_s: float, is_closed: bool
) -> None:
    before = REGISTRY.get_sample_value("streamgauge_http_streams_closed_total", {"reason": "slow"}) or 0
    for number in range(2):
        service.alert(f"a{number}", account="farm-1")
    stream = Followed(service, "farm-1")
    await stream.next()

    stream.time.now_s += slow_s
    kind, _ = await stream.next()

    after = REGISTRY.get_sample_value("streamgauge_http_streams_closed_total", {"reason": "slow"}) or 0
    assert (kind == "closed", after - before) == (is_closed, is_closed)
    if is_closed:
        with pytest.raises(StopAsyncIteration):
            await anext(stream.stream)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"streams_per_account": 1}, "the account farm-1 has 1 streams open"),
        ({"streams": 1}, "all accounts together have 1 streams open"),
    ],
)
async def test_streams_beyond_a_limit_are_refused_until_one_ends(
    service: HttpService, limits: dict[str, int], told: str
) -> None:
    parts = service.app.state.services
    service.app.state.services = replace(parts, limits=HttpLimits(**limits))
    service.alert("a1", account="farm-1")
    async with service.client("token-1") as http:
        with parts.streams.opened("farm-1"):
            refused = await http.get("/v1/alerts/stream")
        assert await whole(http) == [("firing", "a1")]
        assert await whole(http) == [("firing", "a1")]

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert told in refused.json()["detail"]


async def test_a_stream_ends_when_another_worker_takes_the_alerts_over(service: HttpService) -> None:
    class Others:
        def owner_of(self, topic: str) -> str:
            return f"http://other.example/{topic}"

    service.app.state.services = replace(service.app.state.services, topic_owners=Others())

    kind, data = await Followed(service, "farm-1", step_s=1).next()

    assert kind == "closed"
    assert "http://other.example/alerts/v1/alerts/stream" in data["detail"]
