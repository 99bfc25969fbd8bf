"""Kafka as a transport of Faust: its consumer follows the rebalances of the consumer group.

Faust's own driver is not used: it continues from committed offsets, and one full stream stops all partitions. As with
the embedded log, each partition is read by its own task. The tasks run only while messages flow, and only for
partitions whose position the application has set: so nothing is read from another position, whatever Faust does in
between.

A former owner that was slow to give a partition up may save more of it, and then trim the log beyond what is read here.
What is gone is in what it saved: the partition is loaded again. It is a loss only if that changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from faust.types import TP

from pipeline.base.errors import LogError
from pipeline.log.faust.partitions import READ_MESSAGES, PartitionConsumer
from pipeline.log.faust.producer import partition_of
from pipeline.log.faust.transport import LogUse, Transport
from pipeline.log.kafka.reader import KafkaReader, Partitions


class KafkaConsumer(PartitionConsumer):
    """Reads from the offsets that the application chooses (`LogUse.start_offset`)."""

    transport: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._assigned: set[TP] = set()
        self._pumps: dict[TP, asyncio.Task[None]] = {}
        self._taking_up: asyncio.Task[None] | None = None
        self._draining: asyncio.Future[None] | None = None
        self._partitions: dict[str, int] = {}
        self._trimmed_to: dict[TP, int] = {}  # where a partition began when it had to be loaded again
        self._reader: KafkaReader

    async def on_start(self) -> None:
        """Connect. Raises LogError."""
        await super().on_start()
        use: LogUse = self.transport.use
        self._reader = KafkaReader(use.settings, use.client_id, self._on_assigned, self._on_revoked)
        try:
            states = await self._reader.start()
        except BaseException:
            await self._reader.stop()
            raise
        self._partitions = {topic: state.partitions for topic, state in states.items()}

    async def on_stop(self) -> None:
        """Give up the partitions, and leave the group."""
        await super().on_stop()
        await self._end_taking_up()
        self._stop_pumps()
        assigned, self._assigned = self._assigned, set()
        self._next_offset.clear()
        if assigned:
            await self.transport.use.on_revoked(assigned)
        await self._reader.stop()

    def close(self) -> None:
        """Do nothing: `on_stop` does it."""

    # --- assignment ---

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics."""
        await self._reader.subscribe(topics)

    async def _on_revoked(self, partitions: Partitions) -> None:
        """Kafka revokes all partitions and waits until this returns."""
        if self.should_stop or self.app.should_stop:
            return  # `on_stop` gives them up
        revoked = {TP(*one) for one in partitions}
        try:
            self.app.on_rebalance_start()
            await self._end_taking_up()
            self._next_offset.clear()  # nothing is read from now on, even if Faust ends an earlier rebalance now
            self._adjust_pumps()
            await self.on_partitions_revoked(revoked)  # stops the flow; agents finish their current events
            self._assigned = set()
            await self.transport.use.on_revoked(revoked)
        except Exception as error:  # noqa: BLE001  # Kafka's client would log it and continue
            await self.crash(error)

    async def _on_assigned(self, partitions: Partitions) -> None:
        """Kafka assigned these partitions; heartbeats continue only after this has returned."""
        if self.should_stop or self.app.should_stop:
            return
        try:
            if not self.app.rebalancing:
                self.app.on_rebalance_start()
            self.app.consumer_generation_id += 1  # streams drop messages of another generation
            self._assigned = {TP(*one) for one in partitions}
            self._taking_up = asyncio.create_task(self._take_up(set(self._assigned)))
            await self.on_partitions_assigned(set(self._assigned), self.app.consumer_generation_id)
        except Exception as error:  # noqa: BLE001  # as above
            await self.crash(error)

    async def _take_up(self, assigned: set[TP]) -> None:
        use: LogUse = self.transport.use
        try:
            await use.on_assigned(set(assigned))
            wanted = await asyncio.to_thread(lambda: {tp: use.start_offset(tp) for tp in sorted(assigned)})
            extents = await self._reader.extents({(tp.topic, tp.partition) for tp in assigned})
            if [tp for tp in sorted(assigned) if self._is_trimmed(tp, wanted[tp], extents[tp.topic, tp.partition][0])]:
                await self.rejoin()
                return
            starts = {tp: self._start_in(tp, wanted[tp], *extents[tp.topic, tp.partition]) for tp in assigned}
            if await self._reader.seek({(tp.topic, tp.partition): offset for tp, offset in starts.items()}):
                for tp, offset in starts.items():
                    self._move(tp, offset)
                self._adjust_pumps()
        except Exception as error:  # noqa: BLE001  # nobody awaits this task
            await self.crash(error)

    def _is_trimmed(self, tp: TP, wanted: int | None, first: int) -> bool:
        """Whether it was trimmed beyond `wanted` since it was loaded, so that it has to be loaded again."""
        if wanted is None or wanted >= first or self._trimmed_to.get(tp) == first:
            return False
        self._trimmed_to[tp] = first
        self.log.info("%s/%s was trimmed to %s, and read until %s: it is loaded again", *tp, first, wanted)
        return True

    async def _end_taking_up(self) -> None:
        if self._taking_up is not None:
            await asyncio.wait([self._taking_up])

    async def rejoin(self) -> None:
        """Revoke all partitions and assign them again, so that they are loaded again."""
        await self._reader.rejoin()

    async def perform_seek(self) -> None:
        """Wait until every partition is at the offset that the application chooses."""
        if self._taking_up is not None:
            await asyncio.shield(self._taking_up)

    def _start_in(self, tp: TP, wanted: int | None, first: int, next_offset: int) -> int:
        if wanted is None:
            return first
        if wanted > next_offset:
            raise LogError(
                f"Kafka's {tp.topic}/{tp.partition} ends at offset {next_offset}, but offset {wanted} is asked for: "
                "the topic lost what it had acknowledged. Delete it to start with an empty one"
            )
        if wanted < first:
            self._report_loss(tp, wanted, first)
        return max(wanted, first)

    # --- delivery ---

    async def _drain_messages(self, fetcher: Any) -> None:  # noqa: ARG002  Faust's signature
        # Replaces Faust's loop, which makes two tasks per message and waits for full streams.
        self._draining = asyncio.get_running_loop().create_future()
        try:
            self._adjust_pumps()
            await self._draining
        except asyncio.CancelledError:
            # The consumer is stopped. Faust's fetcher would report a cancellation during a rebalance as a crash.
            pass
        finally:
            self._draining = None
            self._stop_pumps()

    def _adjust_pumps(self) -> None:
        """Run a task for each partition whose messages may flow, and no others."""
        wanted = set(self._next_offset) if self.flow_active and self._draining is not None else set()
        for tp in set(self._pumps) - wanted:
            self._pumps.pop(tp).cancel()
        for tp in wanted - set(self._pumps):
            self._pumps[tp] = asyncio.create_task(self._pump(tp), name=f"log-{tp.topic}-{tp.partition}")

    def _stop_pumps(self) -> None:
        for pump in self._pumps.values():
            pump.cancel()
        self._pumps.clear()

    async def _pump(self, tp: TP) -> None:
        try:
            while True:
                await self._until_flowing(tp)
                messages = await self._reader.fetch(tp.topic, tp.partition, READ_MESSAGES)
                if messages and await self._follows(tp, messages[0].offset):
                    for message in messages:
                        await self._until_flowing(tp)
                        self._next_offset[tp] = message.offset + 1
                        await self.callback(self._to_message(tp, message))
        except Exception as error:  # noqa: BLE001  # raised where messages are awaited
            if self._draining is not None and not self._draining.done():
                self._draining.set_exception(error)

    async def _follows(self, tp: TP, offset: int) -> bool:
        """Whether `offset` is the next one expected; if not, seek back to the expected one.

        Raises LogError if the partition was replaced.
        """
        wanted = self._next_offset[tp]
        if offset == wanted:
            return True
        if offset < wanted:
            raise LogError(
                f"Kafka's {tp.topic}/{tp.partition} begins at offset {offset} again, after {wanted - 1}: it was "
                "replaced, or lost what it had acknowledged"
            )
        one = tp.topic, tp.partition
        first, _ = (await self._reader.extents({one}))[one]
        if self._is_trimmed(tp, wanted, first):
            await self.rejoin()
            await asyncio.Future()  # until it is revoked, which ends this task
        if first > wanted:
            self._report_loss(tp, wanted, first)
            self._move(tp, first)
        if self._next_offset[tp] == offset:
            return True
        await self._reader.seek({one: self._next_offset[tp]})
        return False

    def resume_flow(self) -> None:
        """Resume all partitions."""
        super().resume_flow()
        self._adjust_pumps()

    def stop_flow(self) -> None:
        """Pause all partitions."""
        super().stop_flow()
        self._adjust_pumps()

    # --- the rest of Faust's interface of a consumer ---

    def assignment(self) -> set[TP]:
        """The partitions of this consumer."""
        return set(self._assigned)

    def topic_partitions(self, topic: str) -> int | None:
        """The number of partitions of a topic."""
        return self._partitions.get(topic)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """The partition for messages with this key."""
        return partition_of(key, self._partitions[topic]) if partition is None else partition

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Continue to read from these offsets."""
        await self._reader.seek({(tp.topic, tp.partition): offset for tp, offset in partitions.items()})
        for tp, offset in partitions.items():
            self._move(tp, offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        await self.seek_wait({partition: offset})

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self._reader.commit({(tp.topic, tp.partition): offset for tp, offset in offsets.items()})
        return True

    def highwater(self, tp: TP) -> int:
        """Not supported; Faust needs it only where it reads messages itself."""
        raise NotImplementedError("messages are delivered by _drain_messages")

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The offsets of the next messages that will be appended."""
        extents = await self._reader.extents({(tp.topic, tp.partition) for tp in partitions})
        return {tp: extents[tp.topic, tp.partition][1] for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first offsets that are kept."""
        extents = await self._reader.extents({(tp.topic, tp.partition) for tp in partitions})
        return {tp: extents[tp.topic, tp.partition][0] for tp in partitions}

    async def create_topic(self, *_arguments: Any, **_options: Any) -> None:
        """Do nothing: the topics are created when the log is opened."""


class KafkaTransport(Transport):
    """Faust finds it by no scheme; `pipeline.log.faust.app` sets it. Its application has the attribute `log_use`."""

    Consumer: ClassVar[type[PartitionConsumer]] = KafkaConsumer
