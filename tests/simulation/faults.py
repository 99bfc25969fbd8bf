"""What happens to a world: each method is one kind of fault, by the name that `knobs.FAULTS` gives it."""

from __future__ import annotations

import contextlib
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.log.frame import FrameKind
from store.errors import QueryFailed
from tests.simulation import checker, oracle
from tests.simulation.disk import fails
from tests.simulation.loop import NS, Killed, current

if TYPE_CHECKING:
    from tests.simulation.processes import WorkerProcess
    from tests.simulation.world import World

STEPS_S = (-30, -2, 2, 20, 3600, 86_400)
"""Of the clock."""

BACK_S = -7200
"""The same, in a world in which no worker starts again: that one would let a failed delivery wait beyond the calm."""


SYNCED = ("_delta_log", ".parquet", "/state/", "catalog")
"""Parts of paths, by which a kind of file is told."""


class Faults:
    """The faults of one world."""

    def __init__(self, world: World) -> None:
        self.excused_ns = 0  # until then a process may end because its disk failed
        self._world = world
        self._at_sync: tuple[int, str, str] | None = None  # from which fsync on, of a path with what in it, and what
        self._appends_left: int | None = None  # until the worker is killed that appends
        self._damages_next = False

    def make(self, kind: str) -> None:
        """Let this happen now, unless it is calm."""
        if not self._world.is_calm:
            getattr(self, kind)()

    def end(self) -> None:
        """From now on nothing fails."""
        self._at_sync = self._appends_left = None
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
        """At one of the next, whatever it is of; or at the next one of a kind of file, which may be rare."""
        world = self._world
        rng = world.rng(f"{kind} {len(world.history)}")
        of = rng.choice(("", "", *SYNCED))
        self._at_sync = (world.disk.syncs + (1 if of else rng.randint(1, 12)), of, kind)

    def at_sync(self, path: Path) -> None:
        """The disk is told to sync this file or folder."""
        world, process = self._world, current()
        if process is not None and not process.is_alive:
            raise Killed
        if self._at_sync is None or process is None:
            return
        number, of, kind = self._at_sync
        if world.disk.syncs < number or of not in str(path):
            return
        self._at_sync = None
        world.note(f"{kind} at the fsync of {path.relative_to(world.disk.root)} by {process.name}")
        if kind == "full":
            self.excused_ns = world.loop.clocks.monotonic_ns + NS
            raise fails(path)
        if kind == "kill":
            world.kill(process)
        else:
            self.power()
        raise Killed

    def kill_at_append(self) -> None:
        """Kill a worker while an alert or a dead letter is on its way to the log, perhaps when it saves its rules."""
        self._appends_left = self._world.rng(f"append {len(self._world.history)}").choice((0, 0, 1, 3))

    def at_append(self, worker: WorkerProcess) -> None:
        """This worker appends now."""
        world = self._world
        if self._appends_left is None:
            return
        self._appends_left -= 1
        if self._appends_left < 0:
            self._appends_left = None
            rng = world.rng(f"kill {len(world.history)}")
            if rng.random() < 0.8:
                worker.spawn(worker.save_rules())
            soon = rng.uniform(0, 1.5 * max(world.knobs.log_latencies_s))
            world.loop.call_later(soon, world.kill, worker, context=Context())

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
        steps_s = STEPS_S if world.knobs.has_restarts else (*STEPS_S, BACK_S, BACK_S)
        by_s = world.rng(f"step {len(world.history)}").choice(steps_s)
        world.note(f"the clock is set by {by_s} s")
        world.loop.clocks.step(by_s * NS)

    def damage_next(self) -> None:
        self._damages_next = True

    def on_readings(self, value: bytes) -> bytes:
        """A frame is appended. If it is to be damaged, what is in it is lost, and must become a dead letter."""
        world, frame = self._world, oracle.frame_of(value)
        assert frame is not None
        is_tick = frame.kind is FrameKind.TICK
        messages = [] if is_tick else list(zip(frame.mqtt_topics, frame.payloads, strict=True))
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
        is_ready = all(worker.manager.owned.has_replayed and not worker.is_deleting for worker in world.workers)
        if world.group.is_whole and is_ready:
            for worker in world.workers:
                # a worker whose partitions are another's, and that has not learnt of it, refuses
                with contextlib.nullcontext() if world.is_alone else contextlib.suppress(QueryFailed):
                    checker.check_rows(world, worker)
                    checker.check_averages(world, worker)
