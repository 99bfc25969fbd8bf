"""What is asked of one worker of a group has what the others have: what is live, and the search of series."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from pipeline.api.http.routes import internal
from pipeline.api.http.services import Internal
from pipeline.api.inventory.live import LiveRequest
from pipeline.api.inventory.search import SeriesPage, SeriesRequest
from pipeline.api.inventory.shared import SharedDirectory
from pipeline.api.inventory.transitions import TransitionsPart, TransitionsRequest, transitions_after
from pipeline.cluster.client import PeerAccess
from pipeline.cluster.owners import Owners
from pipeline.cluster.peers import Peers
from pipeline.log.topics import READINGS
from pipeline.stream.partitions.owned import OwnedPartitions
from tests.support.http_service import NOW_NS, NS, HttpService

HERE, THERE = "http://here:1", "http://there:2"


class OtherWorker:
    """A worker that answers the requests of this one, as a client of it sees it."""

    def __init__(self, service: HttpService) -> None:
        nothing: Any = None
        parts = service.app.state.services
        self.threads = ThreadPoolExecutor(1)
        self.access = PeerAccess(None, "tier-1")
        self._app = FastAPI()
        self._app.state.services = self
        self._app.include_router(internal.router)
        self.internal = Internal(
            self.access,
            OwnedPartitions(2),
            parts.directory,
            nothing,
            nothing,
            lambda request: transitions_after(service.alerts, request),
            nothing,
            self.threads,
        )

    def post(self, address: str, path: str, body: bytes, timeout_s: float) -> bytes:
        """See `PeerClient`."""
        assert (address, timeout_s > 0) == (THERE, True)
        return asyncio.run(self._post(path, body))

    async def _post(self, path: str, body: bytes) -> bytes:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://there.test") as http:
            answer = await http.post(f"/internal/{path}", content=body, headers=self.access.headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    def close(self) -> None:
        """Answer no more."""
        self.threads.shutdown()


@pytest.fixture
async def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[HttpService, HttpService]]:
    """Two stores, each with sensors of one zone, and one with a zone of its own."""
    monkeypatch.setattr(internal, "services_of", lambda request: request.app.state.services)
    here, there = HttpService(tmp_path / "here"), HttpService(tmp_path / "there")
    async with here.app.router.lifespan_context(here.app), there.app.router.lifespan_context(there.app):
        for service, zone, sensor, value in (
            (here, "north", "s1", 20),
            (there, "north", "s2", 30),
            (there, "south", "s3", 7),
        ):
            topic = f"greenhouse/eu/gh-1/{zone}/{sensor}"
            await service.publish(topic, {"ts": NOW_NS - value * NS, "temperature": value})
        yield here, there
    here.close()
    there.close()


async def test_what_one_worker_is_asked_has_what_all_have(two: tuple[HttpService, HttpService]) -> None:
    here, there = two
    other: Any = OtherWorker(there)
    owners = Owners(lambda: {(READINGS, 0): HERE, (READINGS, 1): THERE})
    peers = Peers(HERE, 2, owners, other)
    shared = SharedDirectory(here.app.state.services.directory, peers)

    def search(after: tuple[str, str] | None) -> SeriesPage:
        return shared.search(SeriesRequest("default", None, None, ("gh-1",), (), after, 2, values=True, from_ns=0))

    live = await asyncio.to_thread(shared.live, LiveRequest("default", None, (), (), 900 * NS, 2))
    page = await asyncio.to_thread(search, None)
    rest = await asyncio.to_thread(search, page.series[-1].key)
    peers.close()

    north, south = live.zones
    spread = north.measures["temperature"]
    assert (north.zone, north.sensors) == ("gh-1/north", 2)
    assert (spread.count, spread.sum, spread.min, spread.max) == (2, 50.0, 20.0, 30.0)
    assert (south.zone, south.sensors) == ("gh-1/south", 1)
    assert (live.series, live.records) == (3, 3)
    assert [dict(device.dimensions)["sensor"] for device in live.devices] == ["s3", "s1"]
    found = [*page.series, *rest.series]
    assert [dict(of.device.dimensions)["sensor"] for of in found] == ["s1", "s2", "s3"]
    assert [of.values["temperature"].value for of in found] == [20.0, 30.0, 7.0]
    assert (page.matched, rest.matched) == (3, 3)


async def test_transitions_are_those_of_the_worker_that_keeps_the_alerts(two: tuple[HttpService, HttpService]) -> None:
    _, there = two
    there.alert("a1")
    other = OtherWorker(there)
    body = msgspec.msgpack.encode(TransitionsRequest("default", 0, 10))
    answer = await asyncio.to_thread(other.post, THERE, "transitions", body, 1)
    found = msgspec.msgpack.decode(answer, type=TransitionsPart)

    assert (found.first, found.last, [of.alert_id for of in found.transitions]) == (1, 1, ["a1"])
    assert found.transitions == transitions_after(there.alerts, TransitionsRequest("default", 0, 10)).transitions
    other.close()
