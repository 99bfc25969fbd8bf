"""Clients that send WriteRecords requests, a few to the same keys, and repeat each until it is answered.

A request may be in the log several times: a client learns nothing of one whose worker is killed, and sends it again.
`pipeline.stream.writes` is real; HTTP and the validation before it are not here.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.base.arrival import ArrivalStamps
from pipeline.base.errors import LogError
from pipeline.stream.writes import LogWriter
from pipeline.worker.answering import PartitionChoice
from store.endpoint.payload import WriteRecord, encode_write
from store.record import Applied, MeasureType, Outcome, TableId
from tests.simulation.log import Appender

if TYPE_CHECKING:
    from tests.simulation.processes import WorkerProcess
    from tests.simulation.world import World

TABLE = TableId("default", "sim", "written")
KEYS = 4
ANSWERED_WITHIN_S = 3.0
AGAIN_S = (0.05, 0.4)


@dataclass(slots=True)
class Request:
    """`number` is in its only record, as a measure. `verdicts`: of the answer that came."""

    number: int
    record: WriteRecord
    verdicts: tuple[str, int] | None = None
    is_under_way: bool = False

    @property
    def payload(self) -> bytes:
        return encode_write(TABLE.database, TABLE.table, [self.record])


class Writer:
    """One client: it sends its requests one after the other."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.requests: list[Request] = []
        self.is_silent = False
        self._world = world
        self._rng = world.rng(f"writer {name}")
        self._later(self._rng.random())

    @property
    def unacknowledged(self) -> int:
        return sum(request.verdicts is None for request in self.requests)

    def _later(self, seconds: float) -> None:
        self._world.loop.call_later(seconds, self._go_on, context=Context())

    def _go_on(self) -> None:
        """Send the request that has no answer, or a new one, to a worker that is there."""
        self._later(self._rng.uniform(*AGAIN_S))
        if not self.unacknowledged and not self.is_silent and self._rng.random() < 0.4:
            self.requests.append(Request(len(self.requests), self._record(len(self.requests))))
        waiting = next((each for each in self.requests if each.verdicts is None and not each.is_under_way), None)
        ready = [worker for worker in self._world.workers if worker.is_ready]
        if waiting is None or not ready:
            return
        waiting.is_under_way = True
        self._world.loop.call_later(ANSWERED_WITHIN_S + 0.1, self._given_up, waiting, context=Context())
        worker = self._rng.choice(ready)
        worker.spawn(self._send(worker, waiting))

    def _given_up(self, request: Request) -> None:
        """The worker may have been killed: nobody answers then."""
        request.is_under_way = False

    async def _send(self, worker: WorkerProcess, request: Request) -> None:
        world = self._world
        stamps = ArrivalStamps(world.clock, self._rng.randrange(1000))
        choice = PartitionChoice(world.config.tables, world.log.partitions)
        appender: Any = Appender(world.log)  # it is started already
        writer = LogWriter(appender, self._outcome_of, choice.of_record, stamps)
        try:
            applied = await asyncio.wait_for(writer.write(TABLE, [request.record]), ANSWERED_WITHIN_S)
        except (LogError, TimeoutError) as error:
            world.note(f"{self.name} {request.number}: {error!r}")
            return
        if request.verdicts is None:
            request.verdicts = Outcome(int(applied.outcomes[0])).name, int(applied.existing_version[0])
            world.note(f"{self.name} {request.number} answered: {request.verdicts}")

    async def _outcome_of(self, partition: int, offset: int) -> Applied:
        """The owner's answer, as a request between workers asks for it."""
        for worker in self._world.workers:
            for owned in worker.manager.owned:
                if owned.number == partition and worker.is_ready:
                    return await owned.writes.outcome(offset, ANSWERED_WITHIN_S)
        raise TimeoutError("the simulated partition has no owner now")

    def _record(self, number: int) -> WriteRecord:
        rng = self._rng
        time_ns = (self._world.device_time_ms + 1000 * rng.randrange(KEYS)) * 1_000_000
        values = (("v", MeasureType.DOUBLE, float(number)),)
        dimensions = ("device", self.name), ("zone", self.name)
        return WriteRecord(dimensions, "m", time_ns, rng.choice((1, 1, 2, 3)), values, self.name)
