"""Faust on Kafka: partitions come and go, positions are our own, a worker that dies is followed by another."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from faust.types import TP
from kafka_workers import Worker, appending, running, until, worker_process

from pipeline.base import metrics
from pipeline.base.errors import LogError
from pipeline.log import open_admin
from pipeline.log.faust.app import new_app
from pipeline.log.faust.transport import LogUse
from pipeline.log.kafka.reader import KafkaReader, Partitions
from pipeline.log.log import Appender
from pipeline.log.topics import ALERTS, READINGS
from tests.support.kafka_broker import Broker, delete_topics

PARTITIONS = 4
# Workers hear of each other soon. None is taken for dead because it, or Kafka, had to wait for a busy machine.
QUICK = {"partitions": PARTITIONS, "session_s": 20.0, "heartbeat_s": 0.2}


async def append_to_all(appender: Appender, count: int, label: bytes = b"") -> None:
    """`count` messages to each partition, numbered."""
    appends = [
        appender.append(READINGS, b"%s%d" % (label, number), partition)
        for number in range(count)
        for partition in range(PARTITIONS)
    ]
    await asyncio.gather(*appends)


def is_calm(*workers: Worker) -> bool:
    """Whether each partition belongs to one of them, and all have some."""
    found = [worker.partitions for worker in workers]
    return all(found) and sorted(partition for one in found for partition in one) == list(range(PARTITIONS))


async def test_every_partition_is_read_in_its_order(kafka: Broker) -> None:
    settings = kafka.settings(**QUICK)
    worker = Worker(settings, {})
    async with appending(settings) as appender, running(worker.app):
        await append_to_all(appender, 200)
        await until(lambda: len(worker.events) == 200 * PARTITIONS)

    for partition in range(PARTITIONS):
        assert worker.values(partition) == [b"%d" % number for number in range(200)]


async def test_partitions_are_taken_up_before_positions_are_asked_and_let_go_at_the_end(kafka: Broker) -> None:
    settings = kafka.settings(**QUICK)
    worker = Worker(settings, {})
    async with appending(settings) as appender, running(worker.app):
        await append_to_all(appender, 1)
        await until(lambda: len(worker.events) == PARTITIONS)

    every = set(range(PARTITIONS))
    assert worker.calls == [("assigned", every), *[("start", {one}) for one in sorted(every)], ("revoked", every)]


async def test_when_a_worker_joins_each_partition_is_let_go_before_another_takes_it_up(kafka: Broker) -> None:
    settings = kafka.settings(**QUICK)
    positions: dict[int, int] = {}
    first, second = Worker(settings, positions, "first"), Worker(settings, positions, "second")
    order: list[tuple[str, str]] = []
    async with appending(settings) as appender, running(first.app):
        await append_to_all(appender, 50)
        await until(lambda: len(first.events) == 50 * PARTITIONS)
        for worker in (first, second):
            worker.calls = _Told(worker.app.conf.name, order)
        async with running(second.app):
            await until(lambda: is_calm(first, second))
            await append_to_all(appender, 50)
            await until(lambda: len(first.events) + len(second.events) == 100 * PARTITIONS)
            shares = len(first.partitions), len(second.partitions)

    assert order.index(("first", "revoked")) < order.index(("second", "assigned"))
    assert shares == (PARTITIONS // 2, PARTITIONS // 2)
    events = sorted((partition, offset) for worker in (first, second) for partition, offset, _ in worker.events)
    assert events == [(partition, offset) for partition in range(PARTITIONS) for offset in range(100)], "each once"


class _Told(list[tuple[str, set[int]]]):
    """Calls of a worker, which are noted in the common order too."""

    def __init__(self, name: str, order: list[tuple[str, str]]) -> None:
        super().__init__()
        self._name = name
        self._order = order

    def append(self, call: tuple[str, set[int]]) -> None:
        self._order.append((self._name, call[0]))
        super().append(call)


async def test_what_a_worker_has_in_hand_is_finished_before_its_partitions_are_let_go(kafka: Broker) -> None:
    settings = kafka.settings(**QUICK)
    positions: dict[int, int] = {}
    first, second = Worker(settings, positions, "first"), Worker(settings, positions, "second")
    first.going_on.clear()
    async with appending(settings) as appender, running(first.app):
        await append_to_all(appender, 5)
        await until(lambda: first.app.consumer.unacked and not first.app.rebalancing)
        async with asyncio.TaskGroup() as tasks:
            ended = asyncio.Event()
            tasks.create_task(_run_until(second, ended))  # it has started once it has partitions
            await until(lambda: first.app.rebalancing)
            assert [call for call, _ in first.calls if call == "revoked"] == []
            first.going_on.set()
            await until(lambda: is_calm(first, second))
            await until(lambda: len(first.events) + len(second.events) == 5 * PARTITIONS)
            ended.set()

    events = sorted((partition, offset) for worker in (first, second) for partition, offset, _ in worker.events)
    assert events == [(partition, offset) for partition in range(PARTITIONS) for offset in range(5)], "each once"


async def _run_until(worker: Worker, ended: asyncio.Event) -> None:
    async with running(worker.app):
        await ended.wait()


@pytest.mark.processes
async def test_partitions_of_a_killed_worker_are_consumed_again_within_ten_seconds(kafka: Broker) -> None:
    settings = kafka.settings(partitions=PARTITIONS)  # with the times that the product has
    positions: dict[int, int] = {}
    survivor = Worker(settings, positions)
    async with appending(settings) as appender, running(survivor.app):
        with worker_process(settings, "victim") as victim:
            assert victim.stdout is not None
            assert (await asyncio.to_thread(victim.stdout.readline)).startswith("assigned")
            await until(lambda: len(survivor.partitions) == PARTITIONS // 2)
            victim.kill()
            await append_to_all(appender, 3)

            await until(lambda: len(survivor.events) == 3 * PARTITIONS, 10.0)


async def test_a_worker_that_ends_leaves_the_group_at_once(kafka: Broker) -> None:
    settings = kafka.settings(partitions=PARTITIONS, session_s=100.0)  # nobody would wait for that
    positions: dict[int, int] = {}
    stays, leaves = Worker(settings, positions, "stays"), Worker(settings, positions, "leaves")
    async with running(stays.app):
        async with running(leaves.app):
            await until(lambda: is_calm(stays, leaves))

        await until(lambda: len(stays.partitions) == PARTITIONS)


async def test_owners_are_told_by_their_client_ids(kafka: Broker) -> None:
    settings = kafka.settings(**QUICK)
    positions: dict[int, int] = {}
    first, second = Worker(settings, positions, "host-1:8080"), Worker(settings, positions, "host-2:8080")
    admin = await asyncio.to_thread(open_admin, settings)
    assert await asyncio.to_thread(admin.owners, "nobody") == {}
    async with running(first.app), running(second.app):
        await until(lambda: is_calm(first, second))

        owners = await asyncio.to_thread(admin.owners, "nobody")

        for worker in (first, second):
            name = worker.app.conf.name
            assert {partition for (topic, partition), who in owners.items() if who == name and topic == READINGS} == (
                worker.partitions
            )
    admin.close()


async def test_a_worker_beyond_the_partitions_waits_with_none(kafka: Broker) -> None:
    settings = kafka.settings(**{**QUICK, "partitions": 1})
    positions: dict[int, int] = {}
    workers = [Worker(settings, positions, f"worker-{number}") for number in range(2)]
    async with appending(settings) as appender, running(workers[0].app), running(workers[1].app):
        await until(lambda: all(worker.calls for worker in workers))
        await until(lambda: sorted(len(worker.partitions) for worker in workers) == [0, 1])
        await appender.append(READINGS, b"x")
        await until(lambda: sum(len(worker.events) for worker in workers) == 1)


async def test_a_position_whose_messages_were_removed_is_reported_as_loss(
    kafka: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = kafka.settings(partitions=1)
    lost = metrics.log_messages_lost.labels(READINGS)
    before = lost._value.get()
    worker = Worker(settings, {0: 2})
    async with appending(settings) as appender:
        for number in range(10):
            await appender.append(READINGS, b"%d" % number)
        admin = await asyncio.to_thread(open_admin, settings)
        await asyncio.to_thread(admin.trim, READINGS, 6)
        admin.close()

        with caplog.at_level(logging.ERROR):
            async with running(worker.app):
                await until(lambda: len(worker.events) == 4)

    assert [offset for _, offset, _ in worker.events] == [6, 7, 8, 9]
    assert lost._value.get() - before == 4
    assert "DATA LOSS: 4 messages of readings/0 were removed before they were processed: offsets 2 to 5" in caplog.text


@pytest.mark.parametrize("call", ["start_offset", "extents"])
async def test_what_a_former_owner_saved_before_it_trimmed_the_log_is_loaded_again(
    kafka: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """It was slow to give the partition up: until that was loaded, or until it was read."""
    settings = kafka.settings(partitions=1)
    positions = {0: 2}
    worker = Worker(settings, positions)
    trimmed_by_another = threading.Lock()
    async with appending(settings) as appender:
        for number in range(10):
            await appender.append(READINGS, b"%d" % number)
        admin = await asyncio.to_thread(open_admin, settings)

        def trim_once() -> None:
            if trimmed_by_another.acquire(blocking=False):
                admin.trim(READINGS, 6)
                positions[0] = 6

        def start_offset(tp: TP) -> int | None:
            found = worker.start(tp)
            trim_once()
            return found

        async def extents(reader: KafkaReader, partitions: Partitions) -> dict[tuple[str, int], tuple[int, int]]:
            found = await extents_of(reader, partitions)
            await asyncio.to_thread(trim_once)
            return found

        extents_of = KafkaReader.extents
        if call == "extents":
            monkeypatch.setattr(KafkaReader, "extents", extents)
        else:
            object.__setattr__(worker.app.log_use, "start_offset", start_offset)
        async with running(worker.app):
            await until(lambda: len(worker.events) == 4)
        admin.close()

    assert [offset for _, offset, _ in worker.events] == [6, 7, 8, 9]
    assert "DATA LOSS" not in caplog.text
    assert trimmed_by_another.locked()


async def test_a_position_beyond_the_end_of_the_log_ends_the_application(kafka: Broker) -> None:
    settings = kafka.settings(partitions=1)
    worker = Worker(settings, {0: 11})

    async def run() -> None:
        async with running(worker.app), asyncio.timeout(60):
            await worker.app.wait_until_stopped()

    with pytest.raises(LogError, match=r"readings/0 ends at offset 0, but offset 11 is asked for"):
        await run()


async def test_offsets_committed_in_kafka_decide_nothing(kafka: Broker) -> None:
    settings = kafka.settings(partitions=1)
    first = Worker(settings, {})
    async with appending(settings) as appender, running(first.app):
        await asyncio.gather(*[appender.append(READINGS, b"%d" % number) for number in range(10)])
        await until(lambda: len(first.events) == 10)
        await first.app.consumer.commit()
    again = Worker(settings, {0: 4})

    async with running(again.app):
        await until(lambda: len(again.events) == 6)

    assert [offset for _, offset, _ in again.events] == [4, 5, 6, 7, 8, 9]


async def test_what_takes_up_partitions_and_fails_ends_the_application(kafka: Broker) -> None:
    async def fail(_: Any) -> None:
        raise RuntimeError("the store cannot be opened")

    app = new_app(LogUse(kafka.settings(partitions=1), lambda _: None, fail))

    @app.agent(app.topic(READINGS), concurrency=1)
    async def agent(stream: Any) -> None:
        async for _ in stream.events():
            pass

    async def run() -> None:
        async with running(app), asyncio.timeout(60):
            await app.wait_until_stopped()

    with pytest.raises(RuntimeError, match="cannot be opened"):
        await run()


async def test_a_topic_that_was_made_anew_ends_the_application(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.log.kafka.reader.METADATA_MAX_AGE_S", 0.5)
    settings = kafka.settings(partitions=1)
    worker = Worker(settings, {})

    async def run() -> None:
        async with running(worker.app), asyncio.timeout(60):
            async with appending(settings) as appender:
                await asyncio.gather(*[appender.append(READINGS, b"%d" % number) for number in range(10)])
                await until(lambda: len(worker.events) == 10)
            await delete_topics(settings)
            async with appending(settings) as appender:
                await appender.append(READINGS, b"of another log")
            await worker.app.wait_until_stopped()

    with pytest.raises(LogError, match=r"replaced|ends at offset [01], but offset 10"):
        await run()

    assert len(worker.events) == 10


async def test_the_application_listens_nowhere_and_leaves_no_files(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    process = psutil.Process()

    def listening() -> set[Any]:
        return {one.laddr for one in process.net_connections() if one.status == psutil.CONN_LISTEN}

    before = listening()
    worker = Worker(kafka.settings(partitions=1), {})
    async with running(worker.app):
        await until(lambda: worker.partitions)
        now = listening()

    assert now <= before, "what an earlier test left may end"
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # Path.iterdir would be called blocking here


async def test_what_agents_send_goes_to_the_one_partition_of_its_topic(kafka: Broker) -> None:
    settings = kafka.settings(**QUICK)
    worker = Worker(settings, {})
    admin = await asyncio.to_thread(open_admin, settings)
    async with running(worker.app):
        sent = await (await worker.app.topic(ALERTS).send(value=b"alert"))
        found = await asyncio.to_thread(admin.read, ALERTS, 0, 10)
    admin.close()

    assert (sent.topic, sent.partition, sent.offset) == (ALERTS, 0, 0)
    assert found == [(0, b"alert")]
