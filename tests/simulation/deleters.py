"""A client that sends DELETEs, of a device or of what it wrote before a time, to the log of every partition.

It does not wait, and does not repeat: what is in the log of a partition is carried out there. HTTP is not here.
"""

from __future__ import annotations

import re
from contextvars import Context
from typing import TYPE_CHECKING

from pipeline.base.arrival import ArrivalStamps
from pipeline.base.errors import LogError
from pipeline.log.deleting import Delete, encode_delete
from pipeline.log.topics import READINGS
from tests.simulation.log import Appender

if TYPE_CHECKING:
    from tests.simulation.processes import WorkerProcess
    from tests.simulation.world import World

AGAIN_S = (0.1, 0.7)
_TEXT = re.compile(r"DELETE FROM sim\.(\w+) WHERE device = '(\w+)'(?: AND time < from_milliseconds\((\d+)\))?")


class Deleter:
    """Sends DELETEs until the storm is over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng("deleter")
        self._later()

    def _later(self) -> None:
        self._world.loop.call_later(self._rng.uniform(*AGAIN_S), self._go_on, context=Context())

    def _go_on(self) -> None:
        world = self._world
        if world.is_calm:
            return
        self._later()
        ready = [worker for worker in world.workers if worker.is_ready]
        if ready:
            worker = self._rng.choice(ready)
            worker.spawn(self._send(worker, self._text()))

    def _text(self) -> str:
        world, rng = self._world, self._rng
        names = [("air", device.name) for device in world.devices] + [("written", of.name) for of in world.writers]
        table, device = rng.choice(names)
        before = f" AND time < from_milliseconds({world.device_time_ms + rng.randrange(4_000)})"
        return f"DELETE FROM sim.{table} WHERE device = '{device}'{before if rng.random() < 0.6 else ''}"

    async def _send(self, worker: WorkerProcess, text: str) -> None:
        world = self._world
        appender = Appender(world.log)
        delete = Delete("default", "sim", chosen_by(text)[0], text, world.clock.wall_ns(), self._rng.random() < 0.3)
        stamps = ArrivalStamps(world.clock, self._rng.randrange(1000))
        for partition in range(world.log.partitions):
            try:
                offset = await appender.append(READINGS, encode_delete(delete, stamps.take()), partition)
            except LogError as error:
                world.note(f"{text} through {worker.name}: {error!r}")
                return
            world.note(f"{text} is at {offset} of partition {partition}")


def chosen_by(text: str) -> tuple[str, str, int | None]:
    """Table, device, and the time in milliseconds before which rows are deleted; None: all."""
    found = _TEXT.fullmatch(text)
    assert found is not None, text
    return found[1], found[2], None if found[3] is None else int(found[3])
