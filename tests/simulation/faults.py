"""What happens to a world: each method is one kind of fault, by the name that `knobs.FAULTS` gives it."""

from __future__ import annotations

import contextlib
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import QueryFailed
from tests.simulation import checker, oracle
from tests.simulation.disk import fails
from tests.simulation.loop import NS, Killed, current

if TYPE_CHECKING:
    from tests.simulation.world import World

STEPS_S = (-30, -2, 2, 20, 3600, 86_400)
"""Of the clock. A delivery that failed waits until its time, so a long step back would delay it beyond the calm."""


class Faults:
    """The faults of one world."""

    def __init__(self, world: World) -> None:
        self.excused_ns = 0  # until then a process may end because its disk failed
        self._world = world
        self._at_sync: tuple[int, str] | None = None  # at which fsync, and what
        self._damages_next = False

    def make(self, kind: str) -> None:
        """Let this happen now, unless it is calm."""
        if not self._world.is_calm:
            getattr(self, kind)()

    def end(self) -> None:
        """From now on nothing fails."""
        self._at_sync = None
        self._world.log.is_full = self._world.log.is_away = False

    # --- processes and power ---

    def kill_gateway(self) -> None:
        if self._world.gateway is not None:
            self._world.kill(self._world.gateway)

    def kill_worker(self) -> None:
        for worker in self._world.workers[:1]:
            self._world.kill(worker)

    def power(self) -> None:
        """All processes end, and the disk loses what was not synced."""
        world = self._world
        world.note("the power fails")
        for process in [*world.workers, *([] if world.gateway is None else [world.gateway])]:
            world.kill(process)
        world.disk.cut_power(world.rng(f"power {world.disk.syncs}"))

    def leave_out(self) -> None:
        self._world.group.leave_out()

    def rebalance(self) -> None:
        self._world.group.rebalance()

    # --- the disk ---

    def kill_at_sync(self) -> None:
        self._at_next_sync("kill")

    def power_at_sync(self) -> None:
        self._at_next_sync("power")

    def disk_fails(self) -> None:
        self._at_next_sync("full")

    def _at_next_sync(self, kind: str) -> None:
        world = self._world
        self._at_sync = (world.disk.syncs + world.rng(f"{kind} {len(world.history)}").randint(1, 12), kind)

    def at_sync(self, path: Path) -> None:
        """The disk is told to sync this file or folder."""
        world, process = self._world, current()
        if process is not None and not process.is_alive:
            raise Killed
        if self._at_sync is None or world.disk.syncs < self._at_sync[0] or process is None:
            return
        kind, self._at_sync = self._at_sync[1], None
        world.note(f"{kind} at the fsync of {path.relative_to(world.disk.root)} by {process.name}")
        if kind == "full":
            self.excused_ns = world.loop.clocks.monotonic_ns + NS
            raise fails(path)
        if kind == "kill":
            world.kill(process)
        else:
            self.power()
        raise Killed

    # --- network, log and clock ---

    def lose_connection(self) -> None:
        self._world.rng(f"loses {len(self._world.history)}").choice(self._world.devices).lose_connection()

    def full(self) -> None:
        self._for_a_while("is_full")

    def away(self) -> None:
        self._for_a_while("is_away")

    def _for_a_while(self, what: str) -> None:
        world = self._world
        world.note(f"the log {what}")
        setattr(world.log, what, True)
        seconds = world.rng(f"{what} {len(world.history)}").uniform(0.1, 2.5)
        world.loop.call_later(seconds, setattr, world.log, what, False, context=Context())

    def step_clock(self) -> None:
        world = self._world
        by_s = world.rng(f"step {len(world.history)}").choice(STEPS_S)
        world.note(f"the clock is set by {by_s} s")
        world.loop.clocks.step(by_s * NS)

    def damage_next(self) -> None:
        self._damages_next = True

    def on_readings(self, value: bytes) -> bytes:
        """A frame is appended. If it is to be damaged, what is in it is lost, and must become a dead letter."""
        world, frame = self._world, oracle.frame_of(value)
        assert frame is not None
        messages = list(zip(frame.mqtt_topics, frame.payloads, strict=True))
        world.durable.update(messages)
        if not self._damages_next:
            return value
        self._damages_next = False
        world.damaged.update(messages)
        return value[: -world.rng(f"damage {len(world.history)}").randint(1, 8)]

    # --- no fault ---

    def ask(self) -> None:
        """A query, while all this happens."""
        world = self._world
        if world.group.is_whole and all(worker.manager.owned.has_replayed for worker in world.workers):
            for worker in world.workers:
                # a worker whose partitions are another's, and that has not learnt of it, refuses
                with contextlib.nullcontext() if world.is_alone else contextlib.suppress(QueryFailed):
                    checker.check_rows(world, worker)
