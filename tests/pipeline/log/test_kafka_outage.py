"""Kafka goes away: killed, stopped, silent. Appends say so and go on, workers go on, nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
import os

import pytest
from kafka_workers import Worker, appending, running, until

from pipeline.base.errors import LogError, LogUnavailable
from pipeline.log import open_admin, open_appender
from pipeline.log.kafka.appender import OVERHEAD_BYTES
from pipeline.log.kafka.topics import configuration
from pipeline.log.log import Appender
from pipeline.log.settings import MAX_MESSAGE_BYTES, LogSettings
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from tests.support.kafka_broker import Broker

pytestmark = pytest.mark.timeout(300)  # Kafka starts twice

PARTITIONS = 2


async def append(appender: Appender, value: bytes, partition: int) -> None:
    """Appended in the end, however often it takes."""
    while True:
        try:
            await appender.append(READINGS, value, partition)
        except LogUnavailable:
            await asyncio.sleep(0.1)
        else:
            return


async def test_after_kafka_was_killed_and_came_back_appending_and_consuming_go_on_and_nothing_is_lost(
    kafka: Broker,
) -> None:
    settings = kafka.settings(partitions=PARTITIONS, append_s=2.0)
    worker = Worker(settings, {})
    answered: list[bytes] = []
    ended = asyncio.Event()

    async def write(appender: Appender, partition: int) -> None:
        while not ended.is_set():
            value = b"%d-%d" % (partition, len(answered))
            await append(appender, value, partition)
            answered.append(value)
            await asyncio.sleep(0.002)

    async with appending(settings) as appender, running(worker.app), asyncio.TaskGroup() as tasks:
        writers = [tasks.create_task(write(appender, partition)) for partition in range(PARTITIONS)]
        await until(lambda: len(worker.events) > 100)
        await asyncio.to_thread(kafka.kill)
        with pytest.raises(
            LogUnavailable, match=r"at 127\.0\.0\.1:\d+ did not (accept an append to readings|let us connect)"
        ):
            await appender.append(READINGS, b"unanswered")
        # an agent's send waits instead
        sending = asyncio.create_task(worker.app.topic(ALERTS).send(value=b"alert"))
        await asyncio.to_thread(kafka.start)
        count = len(answered)
        await until(lambda: len(answered) > count + 100)
        ended.set()
        await asyncio.wait(writers)
        sent = await (await sending)
        await until(lambda: set(answered) <= {value for _, _, value in worker.events})

    admin = await asyncio.to_thread(open_admin, settings)
    alerts = await asyncio.to_thread(admin.read, ALERTS, 0, 10)
    admin.close()
    assert {message.value for message in alerts} == {b"alert"}, "perhaps twice, as its first answer may be lost"
    assert sent.offset in {message.offset for message in alerts}
    for partition in range(PARTITIONS):
        seen = list(dict.fromkeys(value for value in worker.values(partition) if value != b"unanswered"))
        assert seen == [value for value in answered if value.startswith(b"%d-" % partition)], "in order"


async def test_an_append_that_a_silent_kafka_does_not_answer_fails_in_time_with_all_behind_it(
    kafka: Broker,
) -> None:
    settings = kafka.settings(partitions=1, append_s=2.0)
    async with appending(settings) as appender:
        await append(appender, b"before", 0)
        kafka.pause()
        try:
            appends = [appender.append(READINGS, b"%d" % number) for number in range(3)]
            answers = await asyncio.gather(*appends, return_exceptions=True)
        finally:
            kafka.go_on()
        await append(appender, b"after", 0)
        admin = await asyncio.to_thread(open_admin, settings)
        read = [message.value for message in await asyncio.to_thread(admin.read, READINGS, 0, 100)]
        admin.close()
    kept = [value for value, _ in itertools.groupby(read)]  # what took several attempts may be there for each

    assert [type(answer) for answer in answers] == [LogUnavailable] * 3
    assert "no answer within 2 s" in str(answers[0])
    assert kept[0] == b"before"
    assert kept[-1] == b"after", "what was given up does not come in later"
    assert kept[1:-1] in ([], [b"0"], [b"0", b"1"], [b"0", b"1", b"2"])


async def test_a_kafka_that_is_not_there_is_named_at_start() -> None:
    settings = LogSettings("kafka://127.0.0.1:1")

    with pytest.raises(LogUnavailable, match=r"Kafka at 127\.0\.0\.1:1"):
        await open_appender(settings).start()
    with pytest.raises(LogUnavailable, match=r"Kafka at 127\.0\.0\.1:1"):
        await asyncio.to_thread(open_admin, settings)


async def test_a_message_larger_than_kafka_takes_is_refused_and_the_largest_one_is_taken(kafka: Broker) -> None:
    largest = MAX_MESSAGE_BYTES - OVERHEAD_BYTES
    value = os.urandom(largest + 1)
    async with appending(kafka.settings(partitions=1)) as appender:
        assert await appender.append(READINGS, value[:-1]) == 0
        with pytest.raises(LogError, match=f"{largest + 1} bytes for readings") as refusal:
            await appender.append(READINGS, value)

    assert not isinstance(refusal.value, LogUnavailable)


@pytest.mark.parametrize("replication", [None, 1, 3])
def test_topics_are_made_with_what_the_settings_say(replication: int | None) -> None:
    settings = LogSettings("kafka://h", replication=replication)

    made = {topic: configuration(settings, topic) for topic in (READINGS, ALERTS, DEAD_LETTERS)}

    days = {topic: int(one["retention.ms"]) / 86_400_000 for topic, one in made.items()}
    assert days == {READINGS: 7, ALERTS: 30, DEAD_LETTERS: 7}
    assert made[DEAD_LETTERS]["retention.bytes"] == str(256 << 20)
    assert {one["max.message.bytes"] for one in made.values()} == {str(8 << 20)}
    assert {one.get("min.insync.replicas") for one in made.values()} == {"2" if replication == 3 else None}
