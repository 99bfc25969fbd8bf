"""The stream on its own: positions, order, back-pressure, and nothing of Faust that is not wanted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.dead_letters_to_archive import dead_letters_to_archive
from pipeline.log import open_admin, open_appender
from pipeline.log.dead_letter import Reason
from pipeline.log.faust.app import App, running
from pipeline.log.faust.transport import LogUse
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.log import Appender
from pipeline.log.settings import LogSettings
from pipeline.log.topics import DEAD_LETTERS, READINGS
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.stages.readings_to_records import MAX_FRAMES, readings_to_records
from pipeline.stream.topology import BUFFERED_WORK_BATCHES, Outlets, Stages, build
from pipeline.stream.work_batch import WorkBatch
from store.record import SeriesRegistry


async def ignore(stream: Any) -> None:
    async for _ in stream:
        pass


@dataclass
class Workbench:
    """The topology with the real first stage, and a stand-in for the store that keeps what it is given."""

    folder: Path
    start: int | None = None
    works: list[WorkBatch] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    normalised: int = 0

    def __post_init__(self) -> None:
        self.log = LogSettings(f"local://{self.folder}/log", 1 << 30, 0)
        self.admin = open_admin(self.log)
        self.registry = SeriesRegistry()
        self.dead_letters = DeadLetterArchive(self.folder / "dead_letters.sqlite")
        self.may_store = asyncio.Event()
        self.may_store.set()

    async def store(self, stream: Any) -> None:
        async for work in stream:
            await self.may_store.wait()
            self.works.append(work)

    def app(self, alerts: Callable[[Any, Outlets], Awaitable[None]] = lambda stream, _: ignore(stream)) -> App:
        stream_name = self.admin.partition_id(READINGS)
        normaliser = Normaliser([Route("farm", "climate", TopicTemplate("farm/{sensor}"))], self.registry, stream_name)
        nothing: Any = None  # store and rules are stand-ins here
        self.partition = Partition(0, stream_name, nothing, normaliser, nothing, nothing, self.start or 0)
        owned = OwnedPartitions(1, [self.partition])

        def counted(stream: Any, outlets: Outlets) -> Awaitable[None]:
            async def put(work: WorkBatch) -> None:
                self.normalised = work.offset + 1
                await outlets.records(work)

            return readings_to_records(stream, owned, outlets.dead_letters, put)

        stages = Stages(
            readings_to_records=counted,
            records_to_store=self.store,
            records_to_alerts=alerts,
            alerts_to_webhooks=lambda stream, _: ignore(stream),
            dead_letters_to_archive=lambda stream: dead_letters_to_archive(
                stream, self.dead_letters, self.admin.partition_id(DEAD_LETTERS)
            ),
        )
        use = LogUse(self.log, lambda tp: self.start if tp.topic == READINGS else None)
        return build(use, stages, self.failures.append)

    @property
    def stored(self) -> int:
        """The next offset that the store would be given."""
        return self.works[-1].offset + 1 if self.works else 0

    def values(self, sensor: str) -> list[float]:
        """What the store was given of one sensor, in order."""
        index = self.works[0].batches[0].index
        return [
            value
            for work in self.works
            for batch in work.batches
            for series, value in zip(batch.series.tolist(), batch.measures["value"].to_pylist(), strict=True)
            if dict(index.keys[series].dimensions)["sensor"] == sensor
        ]

    def close(self) -> None:
        self.admin.close()
        self.dead_letters.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Workbench]:
    made = Workbench(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def appender(bench: Workbench) -> AsyncIterator[Appender]:
    made = open_appender(bench.log)
    await made.start()
    yield made
    await made.stop()


def frame(number: int, sensors: int = 1) -> bytes:
    payloads = [orjson.dumps({"value": number}) for _ in range(sensors)]
    topics = [f"farm/s{sensor}" for sensor in range(sensors)]
    stamps = [10**18 + number * sensors + sensor for sensor in range(sensors)]
    return encode_frame(FrameKind.MQTT, stamps, ["default"] * sensors, topics, payloads)


async def until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.005)


async def test_a_partition_that_is_loaded_again_is_read_again_from_where_it_says(
    bench: Workbench, appender: Appender
) -> None:
    """Also where nothing is appended any more; and then what comes is read on."""
    for number in range(5):
        await appender.append(READINGS, frame(number))
    app = bench.app()
    async with running(app):
        await until(lambda: bench.stored == 5)
        bench.works.clear()
        bench.start = bench.partition.next_offset = 2
        await app.consumer.rejoin()  # type: ignore[attr-defined]  # of our transport
        await until(lambda: bench.stored == 5)
        await appender.append(READINGS, frame(5))
        await until(lambda: bench.stored == 6)

    assert bench.values("s0") == [2, 3, 4, 5]
    assert bench.failures == []


async def test_reading_begins_at_our_own_position_and_faust_commits_none(bench: Workbench, appender: Appender) -> None:
    """A second application, which Faust's committed offsets would start behind the first, is given the same again."""
    for number in range(10):
        await appender.append(READINGS, frame(number))
    bench.start = 4

    for _ in range(2):
        bench.works.clear()
        async with running(bench.app()):
            await until(lambda: bench.stored == 10)

        assert bench.values("s0") == [4, 5, 6, 7, 8, 9]


async def test_every_agent_has_one_actor(bench: Workbench) -> None:
    """Two would each take some of the batches, and a later one could be applied before an earlier."""
    app = bench.app()

    assert {agent.concurrency for agent in app.agents.values()} == {1}
    assert len(app.agents) == 5


async def test_the_records_of_a_series_keep_their_order(bench: Workbench, appender: Appender) -> None:
    count = 300
    async with running(bench.app()):
        for number in range(count):
            appender.append(READINGS, frame(number, sensors=5))
        await until(lambda: bench.stored == count)

    for sensor in range(5):
        assert bench.values(f"s{sensor}") == list(range(count))


async def test_a_message_that_is_no_frame_is_a_dead_letter_and_holds_up_nothing(
    bench: Workbench, appender: Appender
) -> None:
    async with running(bench.app()):
        for value in (frame(0), b"not a frame", frame(1)):
            await appender.append(READINGS, value)
        await until(lambda: bench.stored == 3)
        await until(bench.dead_letters.list)

    (letter,) = bench.dead_letters.list()
    assert bench.values("s0") == [0, 1]
    assert (letter.letter.reason, letter.letter.payload) == (Reason.DAMAGED_FRAME, b"not a frame")
    assert letter.letter.id == f"{bench.admin.log_id}:0:1:0"
    assert bench.failures == []


async def test_a_slow_store_holds_back_reading(bench: Workbench, appender: Appender) -> None:
    """What is in memory is bounded: batches in the channel, and one in the hands of each stage."""
    count = 1000
    bench.may_store.clear()
    async with running(bench.app()):
        for number in range(count):
            appender.append(READINGS, frame(number))
        await until(lambda: bench.admin.extent(READINGS).next_offset == count)
        taken = -1
        while taken != bench.normalised or not taken:  # until nothing moves any more
            taken = bench.normalised
            await asyncio.sleep(0.3)
        bench.may_store.set()
        await until(lambda: bench.stored == count)

    assert taken <= (BUFFERED_WORK_BATCHES + 2) * MAX_FRAMES
    assert bench.values("s0") == list(range(count))


async def test_a_slow_rule_holds_back_reading_too(bench: Workbench, appender: Appender) -> None:
    """Store and rules read the same batches, each in its own time, but neither runs away from the other."""
    may_judge = asyncio.Event()

    async def judge(stream: Any, _: Outlets) -> None:
        async for _work in stream:
            await may_judge.wait()

    count = 1000
    async with running(bench.app(judge)):
        for number in range(count):
            appender.append(READINGS, frame(number))
        await until(lambda: bench.admin.extent(READINGS).next_offset == count)
        taken = -1
        while taken != bench.stored or not taken:
            taken = bench.stored
            await asyncio.sleep(0.3)
        may_judge.set()
        await until(lambda: bench.stored == count)

    assert taken <= (BUFFERED_WORK_BATCHES + 3) * MAX_FRAMES


async def test_what_a_stage_raises_is_handed_to_fail_at_once(bench: Workbench, appender: Appender) -> None:
    """Faust itself would log it, acknowledge the event, and start the agent anew behind it."""

    async def judge(stream: Any, _: Outlets) -> None:
        async for _work in stream:
            raise ZeroDivisionError("a test made this stage fail")

    await appender.append(READINGS, frame(0))
    async with running(bench.app(judge)):
        await until(lambda: bench.failures)

    assert [str(error) for error in bench.failures] == ["a test made this stage fail"]
