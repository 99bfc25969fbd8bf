"""One simulated host under one seed: what it consists of, its course, and when it is checked.

The seed decides everything: the devices and their readings, the order of events by their delays, which faults there are
and when. First there is a storm of faults, then a calm in which everything must come to rest: all messages
acknowledged, applied, alerted and delivered. In many worlds all ends once more then, and starts again. At the end
everything is checked.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import shutil
import traceback
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from functools import cache
from typing import Any

from pipeline.base.clock import Clock
from pipeline.config import Config
from pipeline.log.generation import Generation
from store.errors import QueryFailed, StoreError
from tests.simulation import checker, edges, oracle, silence_oracle
from tests.simulation.checker import Broken
from tests.simulation.deleters import Deleter
from tests.simulation.devices import Device
from tests.simulation.disk import Disk
from tests.simulation.faults import Faults
from tests.simulation.group import Group
from tests.simulation.knobs import Knobs
from tests.simulation.log import Log
from tests.simulation.loop import NS, Clocks, Killed, Loop, Process, current
from tests.simulation.processes import GatewayProcess, WorkerProcess
from tests.simulation.receivers import Receivers
from tests.simulation.writers import Writer

T0_NS = 1_795_000_000 * NS
BEFORE_NS = 30 * 86_400 * NS  # the readings are a month old, so no step of the host's clock puts them ahead of it
CALM_S = 90.0
_numbers = itertools.count()


class World:
    """The simulation of one seed."""

    def __init__(self, seed: int, *, is_told: bool = False) -> None:
        self.seed = seed
        self.is_told = is_told
        self.history: list[str] = []
        self.knobs = Knobs.of(seed)
        self.is_alone = self.knobs.workers == 1
        self.loop = Loop(Clocks(T0_NS), self.rng("threads"), self.knobs.thread_latencies_s)
        self.clock = Clock(lambda: self.loop.clocks.wall_ns, lambda: self.loop.clocks.monotonic_ns)
        self.device_time_ms = (T0_NS - BEFORE_NS) // 1_000_000
        self.folder = edges.home() / str(next(_numbers))
        self.folder.mkdir()
        self.faults = Faults(self)
        self.disk = Disk(self.folder / "magnetic", self.faults.at_sync)
        self.log = Log(self.loop, self.rng("log"), self.knobs.partitions, self.knobs.log_latencies_s, self.note)
        self.log.on_readings = self.faults.on_readings
        self.config = configuration().model_copy(
            update={
                "magnetic": configuration().magnetic.model_copy(update={"url": str(self.disk.root)}),
                "memory_limit": self.knobs.memory_limit,
                "receivers": configuration().receivers[: self.knobs.receivers],
            }
        )
        self.rules = rules()
        self.receivers = Receivers(self)
        self.devices: list[Device] = []
        self.writers: list[Writer] = []
        self.has_deletes = False
        self.gateway: GatewayProcess | None = None
        self.group = Group(self)
        self.processes: list[Process] = []
        self.killed_ns: dict[str, int] = {}
        self.events: set[str] = set()  # of alerts, as `check_alerts` finds them
        self.durable: set[tuple[str, bytes]] = set()  # messages in the log: MQTT topic and payload
        self.damaged: Counter[tuple[str, bytes]] = Counter()  # messages in damaged frames
        self.written_ns: dict[str, int] = {}  # when a data file was first looked at, by its path
        self.is_calm = False
        self._broken: list[str] = []

    # --- what all parts use ---

    @property
    def workers(self) -> list[WorkerProcess]:
        return self.group.workers

    def rng(self, name: str) -> random.Random:
        """Random numbers of one part: those of another do not depend on how many it draws."""
        return random.Random(f"{self.seed} {name}")  # a text is hashed the same in every process

    def next_name(self, what: str) -> str:
        return f"{what}, process {len(self.processes) + 1}"

    def note(self, event: str) -> None:
        told = event.replace(str(self.folder), "")  # whose name is another in each process
        self.history.append(f"{self.loop.time():10.4f} {told}")

    def broken(self, law: str) -> None:
        self._broken.append(law)
        self.note(f"BROKEN: {law}")

    def failed(self, process: Process, error: BaseException) -> None:
        """A process ends because of an error: allowed only if the disk has just failed."""
        if not process.is_alive or self.loop.is_closing:
            return
        self.note(f"{process.name} fails: {error!r}")
        if self.loop.clocks.monotonic_ns > self.faults.excused_ns:
            self.broken(f"{process.name} failed: {error!r}")
            self._tell(error)
        self.kill(process)

    def meanwhile(self) -> None:
        """A thread waits for the disk: whatever else is ready may come before it.

        With several workers this is for other processes only: the others columns are registered under the same lock.
        """
        if not self.loop.is_closing and self.knobs.interleaves:
            self.loop.meanwhile(self.knobs.disk_s, None if self.is_alone else current())

    def digest(self) -> str:
        """The whole history in short: the same for the same seed."""
        return hashlib.sha256("\n".join(self.history).encode()).hexdigest()

    # --- the course ---

    def run(self, *, real_delta: bool = False) -> None:
        """Raises Broken."""
        asyncio.set_event_loop(self.loop)
        try:
            with edges.simulated(self, real_delta=real_delta):
                self.loop.set_exception_handler(self._on_exception)
                try:
                    self.loop.run_until_complete(self._run())
                finally:
                    for process in self.processes:
                        self._gone(process)
                    self.loop.end(self.processes)
        finally:
            asyncio.set_event_loop(None)
            shutil.rmtree(self.folder)

    async def _run(self) -> None:
        knobs = self.knobs
        self.devices = [
            Device(self, f"d{number}", f"z{number % 2}", is_timed=number < knobs.devices)
            for number in range(knobs.devices + knobs.timeless)
        ]
        self.writers = [Writer(self, f"w{number}") for number in range(knobs.writers)]
        if self.has_deletes:
            Deleter(self)
        self._start_gateway()
        self.group.start()
        kinds = [(kind, number) for kind, count in knobs.faults.items() for number in range(count)]
        storm = [(self.rng(f"{kind} {number}").uniform(0.3, knobs.storm_s), kind) for kind, number in kinds]
        for at_s, kind in sorted(storm):
            await self._until(at_s)
            self.faults.make(kind)
            self._raise()
        await self._until(knobs.storm_s)
        self.is_calm = True
        self.faults.end()
        self.receivers.are_healthy = True
        for client in self._clients:
            client.is_silent = True
        await self._rest("the storm")
        if knobs.ending is not None:
            await asyncio.sleep(self.rng("before the end").uniform(0, 2))
            self.note(f"the end: {knobs.ending}")
            await self._end(knobs.ending)
            for device in self.devices:
                device.calm_down()
            await self._rest(knobs.ending)
        await self._check()

    async def _until(self, at_s: float) -> None:
        while self.loop.time() - 1 < at_s:
            await asyncio.sleep(min(0.5, at_s + 1 - self.loop.time() + 1e-6))
            self._raise()

    async def _rest(self, after: str) -> None:
        """Wait until everything is done that is to be done."""
        until_s = self.loop.time() + CALM_S
        while not self._is_at_rest():
            await asyncio.sleep(0.3)
            self._raise()
            if self.loop.time() > until_s:
                waiting = {client.name: client.unacknowledged for client in self._clients if client.unacknowledged}
                behind = [worker.name for worker in self.workers if worker.is_behind]
                raise Broken(f"it does not come to rest after {after}: not acknowledged: {waiting}, behind: {behind}")

    def _is_at_rest(self) -> bool:
        is_behind = not self.group.is_whole or any(worker.is_behind for worker in self.workers)
        return not is_behind and not any(client.unacknowledged for client in self._clients)

    @property
    def _clients(self) -> list[Device | Writer]:
        return [*self.devices, *self.writers]

    async def _check(self) -> None:
        self._raise()
        checker.check_log(self)
        checker.check_verdicts(self)
        try:
            for worker in self.workers:
                checker.check_rows(self, worker)
        except QueryFailed:
            if self.is_alone:
                raise
            await asyncio.sleep(2)  # a worker learns by a query that its partitions are another's, and loads them again
            await self._rest("a query")
            for worker in self.workers:
                checker.check_rows(self, worker)
        checker.check_alerts(self)
        checker.check_deliveries(self)
        for worker in self.workers:
            if worker.has_alerts:
                checker.check_archives(self, worker)

    async def _end(self, ending: str) -> None:
        """End all in this way."""
        if ending == "power":
            self.faults.power()
            return
        for worker in list(self.workers):
            if ending == "kill":
                self.kill(worker)
            else:
                await worker.spawn(worker.stop())
                self.workers.remove(worker)
        self.loop.call_later(0.1, self.group.start, context=Context())

    def _raise(self) -> None:
        if self._broken:
            raise Broken(self._broken[0])

    # --- processes ---

    def _start_gateway(self) -> None:
        self.gateway = GatewayProcess(self, self.next_name("gateway"))
        self.processes.append(self.gateway)
        self.note(f"{self.gateway.name} starts")

    def kill(self, process: Process) -> None:
        """End it now, wherever it is, and start it again a little later."""
        if not process.is_alive:
            return
        process.is_alive = False
        self.killed_ns[process.name] = self.loop.clocks.monotonic_ns
        self.note(f"{process.name} is killed")
        self.log.killed(process)
        later = self.rng(f"{process.name} restarts").uniform(0.05, 1.0)
        if isinstance(process, GatewayProcess):
            if self.loop.server is not None:
                self.loop.server.close()
            for device in self.devices:
                device.lose_connection()
            self.loop.call_later(later, self._start_gateway, context=Context())
        elif isinstance(process, WorkerProcess):
            self.group.gone(process)
            # not from within: its functions are still on the stack
            self.loop.call_soon(self._gone, process, context=Context())
            self.loop.call_later(later, self.group.start, context=Context())

    def _gone(self, process: Process) -> None:
        process.is_alive = False
        if isinstance(process, WorkerProcess):
            process.close()

    def _on_exception(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.loop.is_closing and not isinstance(error, Killed):
            self.broken(f"{context['message']}: {error!r}")
            self._tell(error)

    def _tell(self, error: BaseException | None) -> None:
        if self.is_told and error is not None:
            self.note("".join(traceback.format_exception(error)))


@cache
def configuration() -> Config:
    """The configuration of all worlds."""
    return Config.model_validate(
        {
            "tables": [
                {
                    "name": "sim.air",
                    "topics": "site/{zone}/{device}",
                    "zone": "zone",
                    "time": {"field": "time", "unit": "ms"},
                },
                {"name": "sim.now", "topics": "now/{zone}/{device}", "zone": "zone"},
                {"name": "sim.written", "topics": "written/{zone}/{device}", "zone": "zone"},
            ],
            "receivers": [
                {"name": name, "webhook": {"url": f"https://{name}.example/hook"}} for name in ("first", "second")
            ],
        }
    )


@cache
def rules() -> Generation:
    """The rules of all worlds."""
    return Generation((("rules.yaml", oracle.RULES + silence_oracle.RULES),))


def simulate(
    seed: int,
    configure: Callable[[World], None] = lambda _world: None,
    *,
    is_told: bool = False,
    real_delta: bool = False,
) -> World:
    """Run the world of this seed. Raises Broken, with the end of its history."""
    world = World(seed, is_told=is_told)
    configure(world)
    try:
        world.run(real_delta=real_delta)
    except (Broken, StoreError) as error:
        told = "\n".join(world.history[-40:])
        told_of = error if isinstance(error, Broken) else f"a query fails: {error!r}"
        again = f"pytest tests/simulation --simulation-seed {seed}"
        raise Broken(f"seed {seed}: {told_of}\n{told}\nreplay: {again}") from error
    return world
