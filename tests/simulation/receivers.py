"""Receivers of alerts: they accept, fail, or answer too late, having accepted; what each got is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from pipeline.alerting.receivers.retry_policy import Attempt
from tests.simulation.loop import current

if TYPE_CHECKING:
    from tests.simulation.loop import Process
    from tests.simulation.world import World

FAILURES_MOST = 2  # of a delivery: the next attempt is then a few seconds later, not minutes


@dataclass(frozen=True, slots=True)
class Got:
    """An attempt that arrived. `is_answered`: the sender learnt that it was accepted."""

    id: str
    alert: str
    status: str
    is_accepted: bool
    is_answered: bool
    at_ns: int
    process: Process


class Receivers:
    """All of them, by URL. Posting to them takes the place of `pipeline.alerting.receivers.post`."""

    def __init__(self, world: World) -> None:
        self.got: dict[str, list[Got]] = {}
        self.are_healthy = False
        self._world = world
        self._rng = world.rng("receivers")
        self._failures: dict[tuple[str, str], int] = {}

    async def post(self, _client: object, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        world, rng, process = self._world, self._rng, current()
        assert process is not None
        await asyncio.sleep(rng.choice((0.001, 0.02, 0.2)))
        delivery = headers["webhook-id"]
        failures = self._failures.get((url, delivery), 0)
        fails = not self.are_healthy and failures < FAILURES_MOST and rng.random() < world.knobs.receiver_fails
        kind = rng.choice(("refused", "500", "late")) if fails else "200"
        if fails:
            self._failures[url, delivery] = failures + 1
        if kind == "refused":
            return Attempt(None, {}, "ConnectError: the simulated receiver is away")
        data = orjson.loads(body)["data"]
        if f"{data['id']}.{data['status']}" != delivery:
            world.broken(f"the delivery {delivery} has the body of {data['id']}.{data['status']}")
        accepted = kind != "500"
        answer_s = 10.0 if kind == "late" else rng.choice((0.001, 0.05))
        at_ns = world.loop.clocks.monotonic_ns
        got = Got(delivery, data["id"], data["status"], accepted, kind == "200", at_ns, process)
        self.got.setdefault(url, []).append(got)
        world.note(f"{url} got {delivery[:6]}.{data['status']}: {kind}")
        await asyncio.sleep(answer_s)
        if kind == "late":
            return Attempt(None, {}, "no answer within 10 s")
        return Attempt(200 if accepted else 500, {}, f"HTTP {kind}")
