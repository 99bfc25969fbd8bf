"""The workers of a world: one, or several with a model of Kafka's consumer group between them.

At a rebalance all members give their partitions up, and then take up what is assigned to them. A member that does not
answer in time is left out: it goes on as an owner, until it learns that it is none any more. If members are late at one
rebalance after another, they are given more time, or each would be left out in turn, while it gives up what the other
could not take: as in Kafka, if `rebalance_s` is shorter than that takes. The rows beyond a version
are asked of the other workers by a call, as workers ask each other by HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING

from store.reading.snapshot import Snapshot
from store.reading.tail import PinnedRows, TailReply, TailRequest
from tests.simulation.processes import WorkerProcess

if TYPE_CHECKING:
    from store.partition_store import PartitionStore
    from tests.simulation.world import World

REBALANCE_S = 1.0
STALE_S = 2.0


class Group:
    """All workers that are alive."""

    def __init__(self, world: World) -> None:
        self.workers: list[WorkerProcess] = []
        self.is_rebalancing = False
        self._world = world
        self._left_out: WorkerProcess | None = None
        self._is_due = False
        self._patience_s = REBALANCE_S

    def start(self) -> None:
        """Start as many workers as are missing."""
        world = self._world
        for slot in sorted(set(range(world.knobs.workers)) - {worker.slot for worker in self.workers}):
            worker = WorkerProcess(world, world.next_name(f"worker {slot}"), slot)
            self.workers.append(worker)
            world.processes.append(worker)
            world.note(f"{worker.name} starts")

    def gone(self, worker: WorkerProcess) -> None:
        """A worker was killed: the others learn of it after a while."""
        self.workers.remove(worker)
        if self.workers:
            self._world.loop.call_later(0.3, self.rebalance, context=Context())

    def rebalance(self) -> None:
        """Assign the partitions anew, soon."""
        self._is_due = True
        if not self.is_rebalancing:
            self.is_rebalancing = True
            self._world.loop.create_task(self._rebalance(), context=Context())

    def leave_out(self) -> None:
        """The first member does not answer for a while, and the others take over what it has."""
        if len(self.workers) > 1 and not self.is_rebalancing and all(worker.is_ready for worker in self.workers):
            self._left_out = self.workers[0]
            self._world.note(f"{self._left_out.name} is left out")
            self.rebalance()
            self._world.loop.call_later(STALE_S, self._take_in, context=Context())

    def _take_in(self) -> None:
        self._left_out = None
        self.rebalance()

    async def _rebalance(self) -> None:
        while self._is_due:
            self._is_due = False
            members = [worker for worker in self.workers if worker.has_joined and worker is not self._left_out]
            leaving = {member: member.leave() for member in members}
            if leaving:
                await asyncio.wait(leaving.values(), timeout=self._patience_s)
            for task in leaving.values():
                if not task.done():  # it is no member until it has given up: a client does one after the other
                    task.add_done_callback(lambda _: self.rebalance(), context=Context())
            members = [member for member, task in leaving.items() if member.is_alive and task.done()]
            self._patience_s = REBALANCE_S if len(members) == len(leaving) else 2 * self._patience_s
            for place, member in enumerate(members):
                numbers = {number for number in range(self._world.log.partitions) if number % len(members) == place}
                self._world.note(f"{member.name} is assigned {sorted(numbers)}")
                member.taking_up = member.spawn(member.take_up(numbers, has_alerts=place == 0))
            await asyncio.sleep(0.1)
        self.is_rebalancing = False

    @property
    def is_whole(self) -> bool:
        """Whether each partition has one owner, which is ready."""
        owned = [number for worker in self.workers if worker.is_ready for number in worker.numbers]
        return not self.is_rebalancing and sorted(owned) == list(range(self._world.log.partitions))

    def snapshot(self, worker: WorkerProcess) -> Snapshot:
        """What a query on this worker reads."""
        whole = worker.manager.store
        if self._world.is_alone:
            return whole.snapshot("default")

        def gather(request: TailRequest, pin: Callable[[PartitionStore], PinnedRows]) -> list[TailReply | PinnedRows]:
            replies: list[TailReply | PinnedRows] = [pin(partition.store) for partition in worker.manager.owned]
            for other in self.workers:
                if other is not worker:
                    asked = TailRequest.decode(request.encode())
                    replies += [
                        TailReply.decode(partition.store.tail(asked).encode()) for partition in other.manager.owned
                    ]
            return replies

        return whole.snapshot("default", gather)
