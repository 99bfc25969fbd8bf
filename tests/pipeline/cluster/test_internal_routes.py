"""What workers ask each other is for workers of the same group, and answered by the owner only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from fastapi import FastAPI

from pipeline.api.http import problems
from pipeline.api.http.forwarding import FORWARDED, ToOwner
from pipeline.api.http.routes import internal
from pipeline.api.http.services import Internal
from pipeline.api.inventory.usage import OwnUsage
from pipeline.base.errors import NotOwned
from pipeline.cluster.client import TIER, Answered, Forwarded, PeerAccess
from pipeline.cluster.outcomes import OutcomeRequest, decode_outcome
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from store.record import Applied

TOKEN = "known-to-workers-only"


class Services:
    """Of the application's services, what these routes look at."""

    def __init__(self, token: str | None) -> None:
        nothing: Any = None
        self.partition = Partition(3, "log/readings/3", nothing, nothing, nothing, nothing, 0)
        self.threads = ThreadPoolExecutor(1)
        owned = OwnedPartitions(4, [self.partition])
        self.internal = Internal(
            PeerAccess(token, "tier-1"),
            owned,
            nothing,
            self.tails,
            lambda account, limit: [],
            nothing,
            OwnUsage(owned, list),
            self.threads,
        )
        self.topic_owners: Any = None

    def tails(self, body: bytes) -> bytes:
        if body == b"another's":
            raise NotOwned("partition 0 of [readings] is not assigned to this worker, or not ready")
        return b"rows beyond " + body


@pytest.fixture(params=[None, TOKEN])
def services(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Services(request.param)
    monkeypatch.setattr(internal, "services_of", lambda _: made)
    yield made
    made.threads.shutdown()


@pytest.fixture
async def worker(services: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.services = services
    problems.install(app)
    app.add_middleware(ToOwner)
    app.add_exception_handler(internal.Refused, internal.refused)  # type: ignore[arg-type]
    app.add_exception_handler(NotOwned, internal.not_owned)  # type: ignore[arg-type]
    app.include_router(internal.router)

    @app.get("/v1/alerts/deliveries")
    def own(receiver: str = "") -> dict[str, str]:
        return {"answered": "here", "receiver": receiver}

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://worker.test") as client:
        yield client


def headers(services: Any) -> dict[str, str]:
    return dict(services.internal.access.headers)


async def test_a_worker_of_the_group_is_answered(worker: httpx.AsyncClient, services: Any) -> None:
    answer = await worker.post("/internal/tail", content=b"7", headers=headers(services))

    assert (answer.status_code, answer.content) == (200, b"rows beyond 7")


async def test_nobody_else_is_answered(worker: httpx.AsyncClient, services: Any) -> None:
    """Neither without the token, nor with another's; and one on another magnetic tier is told so."""
    own = headers(services)
    wrong = [own | {"authorization": "Bearer guessed"}, {TIER: own[TIER]}] if "authorization" in own else []
    refused = [(await worker.post("/internal/tail", content=b"7", headers=given)).status_code for given in wrong]
    elsewhere = await worker.post("/internal/tail", content=b"7", headers=own | {TIER: "tier-2"})

    assert refused == [401] * len(wrong)
    assert elsewhere.status_code == 412
    assert "another magnetic tier" in elsewhere.text


async def test_what_is_another_workers_is_said_to_be(worker: httpx.AsyncClient, services: Any) -> None:
    answer = await worker.post("/internal/tail", content=b"another's", headers=headers(services))

    assert answer.status_code == 409
    assert "partition 0" in answer.text


async def test_an_outcome_is_waited_for_and_told(worker: httpx.AsyncClient, services: Any) -> None:
    services.partition.writes.applied(5, Applied(np.array([3], np.uint8), np.array([70], np.int64)))

    async def ask(partition: int, within_s: float) -> httpx.Response:
        body = msgspec.msgpack.encode(OutcomeRequest(partition, 5, within_s))
        return await worker.post("/internal/outcome", content=body, headers=headers(services))

    known, late, elsewhere = await ask(3, 5), await ask(3, 0.01), await ask(0, 5)

    assert decode_outcome(known.content).existing_version.tolist() == [70]
    assert (late.status_code, elsewhere.status_code) == (504, 409)


class TopicOwners:
    """Another worker keeps [alerts]; what is forwarded to it is in `asked`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Forwarded]] = []

    def owner_of(self, topic: str) -> str | None:
        return "http://owner:1" if topic == "alerts" else None

    def page_owner(self, token: str) -> str | None:
        return "http://owner:1" if token == "theirs" else None

    async def forward(self, address: str, asked: Forwarded) -> Answered:
        self.asked.append((address, asked))
        return Answered(200, {"content-type": "application/json"}, b'{"answered": "there"}')


async def test_a_question_goes_to_whoever_keeps_its_answer_as_it_came(worker: httpx.AsyncClient, services: Any) -> None:
    services.topic_owners = TopicOwners()
    own = {"authorization": "Bearer of-a-user"}

    answer = await worker.get("/v1/alerts/deliveries", params={"receiver": "a b"}, headers=own)

    ((address, asked),) = services.topic_owners.asked
    assert answer.json() == {"answered": "there"}
    assert (address, asked.method, asked.target) == ("http://owner:1", "GET", "/v1/alerts/deliveries?receiver=a+b")
    assert asked.headers["authorization"] == "Bearer of-a-user"


async def test_what_was_forwarded_is_not_forwarded_again(worker: httpx.AsyncClient, services: Any) -> None:
    """Two workers that each believe the other keeps it would ask each other for ever."""
    services.topic_owners = TopicOwners()

    answer = await worker.get("/v1/alerts/deliveries", headers={FORWARDED: "1"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert services.topic_owners.asked == []


async def test_a_worker_that_is_alone_answers_itself(worker: httpx.AsyncClient) -> None:
    assert (await worker.get("/v1/alerts/deliveries")).json()["answered"] == "here"
