"""The gateway and the worker, put together as their processes do it, in a simulated log, disk and network.

Left out of the worker are Faust (its streams are read from the simulated log), HTTP, gauges and signals. Everything
that decides, and everything that keeps state, is the product's: sessions, ack batches, normalise, store, rules,
archives, deliveries, positions, trimming.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import store.objects.files
from pipeline.alerting.alerts_to_webhooks import alerts_to_webhooks
from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.dead_letters_to_archive import dead_letters_to_archive
from pipeline.alerting.receivers import AlertsPartition
from pipeline.base.arrival import ArrivalStamps
from pipeline.base.errors import LogUnavailable
from pipeline.gateway.listener.server import Gateway
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.listening import Listening
from pipeline.gateway.mqtt_to_readings import BatchSettings
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from pipeline.stream.partitioning import partitioner_of
from pipeline.stream.partitions.manager import PartitionManager
from pipeline.stream.stages.readings_to_records import readings_to_records
from pipeline.stream.stages.records_to_alerts import records_to_alerts
from pipeline.stream.stages.records_to_store import records_to_store
from pipeline.worker.upkeep import Trimmer
from tests.simulation.log import Admin, Appender, Channel, Source
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

BUFFERED = 4
RETRY_S = 0.25


class GatewayProcess(Process):
    """A listener on the simulated network."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(name, world.loop)
        self.world = world
        self.gateway: Gateway
        self.spawn(self._run())

    async def _run(self) -> None:
        world, knobs = self.world, self.world.knobs
        batch = BatchSettings(
            close_after_s=knobs.close_after_s, max_messages=knobs.ack_batch, max_waiting_messages=knobs.most_waiting
        )
        self.gateway = Gateway(
            replace(ListenerSettings(), batch=batch),
            Appender(world.log),  # type: ignore[arg-type]  # it is started already
            stamps=ArrivalStamps(world.clock, world.rng("stamps").randrange(1000)),
            partition_of=partitioner_of(world.config.tables, world.log.partitions),
            listening=Listening("g") if knobs.ticks else None,
        )
        await self.gateway.start()
        try:
            await self.gateway.stage.failed
        except Exception as error:  # noqa: BLE001  # as `serve`: the process ends
            world.failed(self, error)


class WorkerProcess(Process):
    """A worker; `stop` ends it gracefully."""

    def __init__(self, world: World, name: str, slot: int) -> None:
        """`slot` names the data_dir, which the next worker in its place has, too."""
        super().__init__(name, world.loop)
        self.world = world
        self.slot = slot
        self.has_joined = False
        self.is_ready = False
        self.numbers: set[int] = set()
        self.has_alerts = False
        self.taking_up: asyncio.Task[Any] | None = None
        self.leaving: asyncio.Task[Any] | None = None
        self._sources: dict[str, Source] = {}
        self._trimmed_to: dict[tuple[str, int], int] = {}
        self._channels: tuple[Channel, ...] = ()
        self.manager: PartitionManager
        self._rng = world.rng(f"work of {name}")
        self._closes: list[Callable[[], None]] = []
        store.objects.files._durable.clear()  # what one process has synced, another does not know of
        self.spawn(self._guarded(self._run()))

    async def _run(self) -> None:
        world = self.world
        folder = world.folder / f"archives of {self.slot}"
        self.admin = Admin(world.log, others_take_over=not world.is_alone)
        self.manager = PartitionManager(world.config, self.admin, world.rules, world.clock)  # type: ignore[arg-type]
        self.manager.on_fenced = self._on_fenced
        self._closes.append(self.manager.close)
        self.alerts = AlertArchive(folder / "alerts.sqlite")
        self.dead_letters = DeadLetterArchive(folder / "dead_letters.sqlite")
        self._closes += [self.alerts.close, self.dead_letters.close]
        self.alerts_partition = AlertsPartition(
            world.config, self.alerts, self.admin.partition_id(ALERTS), world.clock, self._rng
        )
        self._append = Appender(world.log)
        self._sources = {
            topic: Source(
                world.log, topic, world.rng(f"{topic} to {self.name}"), self._on_trimmed, world.knobs.slow_reads_s
            )
            for topic in (READINGS, ALERTS, DEAD_LETTERS)
        }
        self._start_stages()
        archives = {ALERTS: self.alerts, DEAD_LETTERS: self.dead_letters} if world.is_alone else {}
        self.trimmer = Trimmer(self.admin, self.manager.owned, archives, folder / "trim.lock")  # type: ignore[arg-type]
        knobs = world.knobs
        self.spawn(self._every(knobs.maintain_every_s, lambda: asyncio.to_thread(self.manager.maintain)))
        self.spawn(self._every(knobs.rules_every_s, self.save_rules))
        self.spawn(self._every(knobs.rules_look_s, self._tell_ended))
        self.spawn(self._every(knobs.trim_every_s, self.trimmer.trim))
        self.has_joined = True
        if world.is_alone:
            await self.take_up({0}, has_alerts=True)
        else:
            world.group.rebalance()

    async def take_up(self, numbers: set[int], *, has_alerts: bool) -> None:
        """Load the partitions, and start their stages, as at an assignment."""
        self.numbers, self.has_alerts = numbers, has_alerts
        await self._guarded(self._take_up())

    async def _take_up(self) -> None:
        await self.manager.assigned(self.numbers)
        starts = {number: self._start(READINGS, number, self.manager.start_offset(number)) for number in self.numbers}
        self._sources[READINGS].assign(starts)
        if self.has_alerts:
            for topic, archive in ((ALERTS, self.alerts), (DEAD_LETTERS, self.dead_letters)):
                wanted = archive.next_offset(self.admin.partition_id(topic))
                self._sources[topic].assign({0: self._start(topic, 0, wanted)})
            self.alerts_partition.assigned(self.admin.extent(ALERTS).next_offset)
        self.is_ready = True

    def _start_stages(self) -> None:
        """As `pipeline.stream.topology`: they run until the process ends, whatever is assigned."""
        to_store, to_alerts = self._channels = Channel(BUFFERED), Channel(BUFFERED)

        async def put(work: Any) -> None:
            await to_store.put(work)
            await to_alerts.put(work)

        readings, alerts, letters = (self._sources[topic] for topic in (READINGS, ALERTS, DEAD_LETTERS))
        append_alerts, append_letters = self._appending(ALERTS), self._appending(DEAD_LETTERS)
        others_take_over = self.admin.others_take_over
        for work in (
            readings_to_records(readings, self.manager.owned, append_letters, put),
            records_to_store(to_store),
            records_to_alerts(to_alerts, append_alerts),
            alerts_to_webhooks(
                alerts, self.alerts_partition, append_alerts, append_letters, others_take_over=others_take_over
            ),
            dead_letters_to_archive(letters, self.dead_letters, self.admin.partition_id(DEAD_LETTERS)),
        ):
            self.spawn(self._guarded(work))

    async def give_up(self) -> None:
        """Revoke the partitions, as at a rebalance, once those of the last one are taken up."""
        if self.taking_up is not None:
            await asyncio.wait([self.taking_up])
        self.is_ready = False
        for source in self._sources.values():
            source.assign({})
        await self.manager.revoked()
        await self.alerts_partition.revoked()

    def leave(self) -> asyncio.Task[Any]:
        """Start to give everything up, unless that is going on."""
        if self.leaving is None or self.leaving.done():
            self.leaving = self.spawn(self.give_up())
        return self.leaving

    async def again(self) -> None:
        """Give everything up, and take it up again."""
        await self.give_up()
        await self.take_up(self.numbers, has_alerts=self.has_alerts)

    async def stop(self) -> None:
        """End gracefully, when everything in the log is processed."""
        await self.give_up()
        await self.trimmer.trim()
        self.is_alive = False
        self.close()

    def close(self) -> None:
        """Free what the process had in memory: afterwards it is as gone as a killed one."""
        for close in self._closes:
            close()
        self._closes = []

    @property
    def is_deleting(self) -> bool:
        """Whether DELETEs have yet to be carried out."""
        stores = [partition.store for partition in self.manager.owned]
        return any(table.has_deletions for store in stores for table in store.all_tables())

    @property
    def is_behind(self) -> bool:
        """Whether something in the log is not processed yet."""
        if (
            not self.is_ready
            or self.is_deleting
            or self.manager.owned.frames_behind
            or not self.manager.owned.has_replayed
        ):
            return True
        if not all(channel.is_done for channel in self._channels):
            return True
        if not self.has_alerts:
            return False
        behind = [
            archive.next_offset(self.admin.partition_id(topic)) or 0
            for topic, archive in ((ALERTS, self.alerts), (DEAD_LETTERS, self.dead_letters))
        ]
        ends = [self.admin.extent(topic).next_offset for topic in (ALERTS, DEAD_LETTERS)]
        return behind != ends or any(self.alerts.queued().values())

    def _on_fenced(self) -> None:
        self.world.note(f"{self.name} is fenced")
        if self.world.is_alone:
            self.world.loop.call_soon(lambda: self.spawn(self.again()))
        else:
            self.world.group.rebalance()

    def _on_trimmed(self, topic: str, number: int, wanted: int, first: int) -> None:
        """As `pipeline.log.faust.kafka`: another worker may have saved what is gone, so it is loaded again, once."""
        self.world.note(f"{self.name} reads {topic}/{number} at {wanted}, and it was trimmed to {first}")
        if self.world.is_alone or self._trimmed_to.get((topic, number)) == first:
            self.world.broken(f"{topic}/{number} was trimmed to {first}, and {wanted} is needed")
            return
        self._trimmed_to[topic, number] = first
        self.world.group.rebalance()

    def _start(self, topic: str, number: int, wanted: int | None) -> int:
        extent = self.admin.extent(topic, number)
        if wanted is not None and wanted > extent.next_offset:
            self.world.broken(f"{topic}/{number} is read from {wanted}, and ends at {extent.next_offset}")
        return extent.first if wanted is None else wanted

    def _appending(self, topic: str) -> Callable[[bytes], Awaitable[int]]:
        async def append(value: bytes) -> int:
            self.world.faults.at_append(self)
            while True:  # as `pipeline.log.faust.producer`
                try:
                    return await self._append.append(topic, value)
                except LogUnavailable:
                    await asyncio.sleep(RETRY_S)

        return append

    async def _every(self, seconds: float, work: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await asyncio.sleep(seconds * self._rng.uniform(0.5, 1.5))
            await self._guarded(work())

    async def save_rules(self) -> None:
        """Save the state of the rules, and the usage, of all partitions, as every now and then."""
        for partition in self.manager.owned:
            await partition.rules.save_pass()
            await asyncio.to_thread(partition.usage.save)

    async def _tell_ended(self) -> None:
        for partition in self.manager.owned:
            await partition.rules.tell_ended(self._appending(ALERTS))

    async def _guarded(self, work: Awaitable[Any]) -> None:
        """As a stage of the topology: an error ends the process."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  # as the topology does
            self.world.failed(self, error)
