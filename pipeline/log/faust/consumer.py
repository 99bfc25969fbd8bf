"""Faust's consumer of the embedded log: all partitions belong to one worker, and each is read by its own task.

One task per partition, because a full stream must stop only its own partition: slow webhooks ([alerts]) must not stop
[readings]. Other processes append: the system tells when the end marks of the topics are written, which follows each
commit. One more task looks at the versions of the files from time to time, because a process may end in between; often,
if the system does not tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from faust.types import TP

from pipeline.base.errors import LogError
from pipeline.log.embedded.folder import LogFolder, folder_of, open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.embedded.watch import watch
from pipeline.log.faust.partitions import READ_MESSAGES, PartitionConsumer
from pipeline.log.faust.producer import partition_of
from pipeline.log.log import Message

READ_BYTES = 4 << 20
LOOK_EVERY_S = 0.25
LOOK_EVERY_UNTOLD_S = 0.005


class Consumer(PartitionConsumer):
    """Reads from the offsets that the application chooses (`LogUse.start_offset`)."""

    transport: Any
    _folder: LogFolder

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._files: dict[str, TopicFile] = {}
        self._appended: dict[str, asyncio.Event] = {}

    async def on_start(self) -> None:
        """Open the log. Raises LogError."""
        await super().on_start()
        self._folder = await asyncio.to_thread(open_folder, folder_of(self.transport.use.settings.url))

    async def on_stop(self) -> None:
        """Close the log."""
        await super().on_stop()
        if self._next_offset:
            await self.transport.use.on_revoked(self.assignment())
        self.close()

    def close(self) -> None:
        """Close the log."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    # --- assignment: all partitions of the subscribed topics, once ---

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Assign all partitions of these topics. The set cannot change while the application runs."""
        assigned = {TP(topic, partition) for topic in topics for partition in range(self._folder.partitions)}
        if not self._next_offset:
            self._next_offset = dict.fromkeys(assigned, 0)
            # Faust's assignment waits until `subscribe` has returned
            self.add_future(self._assign(assigned))
        elif set(self._next_offset) != assigned:
            raise LogError(f"topics cannot change while the worker runs: {sorted(assigned)}")

    async def _assign(self, assigned: set[TP]) -> None:
        await self.transport.use.on_assigned(set(assigned))
        self.app.on_rebalance_start()
        self.app.consumer_generation_id += 1  # streams drop messages of another generation
        await self.on_partitions_assigned(assigned, self.app.consumer_generation_id)

    async def rejoin(self) -> None:
        """Revoke all partitions and assign them again, so that they are loaded again."""
        assigned = self.assignment()
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(assigned)  # stops the flow; agents finish their current events
        await self.transport.use.on_revoked(assigned)
        await self._assign(assigned)
        for appended in self._appended.values():  # messages that are read again are not new
            appended.set()

    async def perform_seek(self) -> None:
        """Set every partition to the offset that the application chooses.

        Raises LogError if it is beyond the log's end.
        """
        for tp in self.assignment():
            self._move(tp, self._start_of(tp))

    def _start_of(self, tp: TP) -> int:
        wanted: int | None = self.transport.use.start_offset(tp)
        extent = self._file(tp.topic).extent(tp.partition)
        if wanted is None:
            return extent.first
        if wanted > extent.next_offset:
            raise LogError(
                f"log {self._folder.path}: {tp.topic}/{tp.partition} ends at offset {extent.next_offset}, but offset "
                f"{wanted} is asked for: the log was restored to an older state. Move its folder away to start with an "
                "empty log"
            )
        if wanted < extent.first:
            self._report_loss(tp, wanted, extent.first)
        return max(wanted, extent.first)

    # --- delivery ---

    async def _drain_messages(self, fetcher: Any) -> None:  # noqa: ARG002  Faust's signature
        # Replaces Faust's loop, which makes two tasks per message. Ends by cancellation.
        self._appended = {tp.topic: asyncio.Event() for tp in self._next_offset}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look(), name="log-look")
                for tp in sorted(self._next_offset):
                    tasks.create_task(self._pump(tp), name=f"log-{tp.topic}-{tp.partition}")
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _look(self) -> None:
        versions = dict.fromkeys(self._appended, -1)
        with self._told() as is_told:
            while True:
                for topic, appended in self._appended.items():
                    version = self._file(topic).version()
                    if version != versions[topic]:
                        versions[topic] = version
                        appended.set()
                await asyncio.sleep(LOOK_EVERY_S if is_told else LOOK_EVERY_UNTOLD_S)

    @contextmanager
    def _told(self) -> Iterator[bool]:
        """Within it, the pumps are woken at each commit; False if the system cannot tell."""
        topics = {self._file(topic).end_path: appended for topic, appended in self._appended.items()}
        watched = watch(list(topics))
        if watched is None:
            yield False
            return

        def wake() -> None:
            for path in watched.take():
                topics[path].set()

        loop = asyncio.get_running_loop()
        loop.add_reader(watched.fileno(), wake)
        try:
            yield True
        finally:
            loop.remove_reader(watched.fileno())
            watched.close()

    async def _pump(self, tp: TP) -> None:
        file, appended = self._file(tp.topic), self._appended[tp.topic]
        while True:
            await self._until_flowing(tp)
            appended.clear()
            messages = file.read(tp.partition, self._next_offset[tp], READ_MESSAGES, READ_BYTES)
            if messages:
                await self._deliver(tp, messages)
                await asyncio.sleep(0)
            else:
                await appended.wait()

    async def _deliver(self, tp: TP, messages: list[Message]) -> None:
        if messages[0].offset != self._next_offset[tp]:
            self._report_loss(tp, self._next_offset[tp], messages[0].offset)
            self._move(tp, messages[0].offset)
        for message in messages:
            await self._until_flowing(tp)
            if message.offset != self._next_offset[tp]:
                return  # its position was changed meanwhile
            self._next_offset[tp] = message.offset + 1
            await self.callback(self._to_message(tp, message))

    # --- the rest of Faust's interface of a consumer ---

    def assignment(self) -> set[TP]:
        """The partitions of this consumer."""
        return set(self._next_offset)

    def topic_partitions(self, topic: str) -> int | None:  # noqa: ARG002  Faust's signature
        """The number of partitions of any topic."""
        return self._folder.partitions

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:  # noqa: ARG002
        """The partition for messages with this key."""
        return partition_of(key, self._folder.partitions) if partition is None else partition

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Continue to read from these offsets."""
        for tp, offset in partitions.items():
            self._move(tp, offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        self._move(partition, offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:  # noqa: ARG002  Faust's signature
        return True

    def highwater(self, tp: TP) -> int:
        """The offset of the next message that will be appended."""
        return self._file(tp.topic).extent(tp.partition).next_offset

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """As `highwater`, for several partitions."""
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first offsets that are kept."""
        return {tp: self._file(tp.topic).extent(tp.partition).first for tp in partitions}

    async def create_topic(self, *_arguments: Any, **_options: Any) -> None:
        """Do nothing: a topic is created when it is first opened."""

    def _file(self, topic: str) -> TopicFile:
        file = self._files.get(topic)
        if file is None:
            file = self._files[topic] = TopicFile(self._folder, topic)
        return file
