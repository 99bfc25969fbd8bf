"""Kafka's log from outside: its topics, its identity, TLS and SASL, and what its reachability is called."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from kafka_workers import Worker, appending, running, until, worker_process

from pipeline.base.errors import LogError
from pipeline.log import lock_worker, open_admin
from pipeline.log.kafka.reachability import Reachability, look_at
from pipeline.log.settings import LogSettings, Sasl, Tls
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from tests.support.kafka_broker import Broker, delete_topics
from tests.support.waiting import wait_for


def test_topics_are_made_once_and_their_own_number_of_partitions_counts(
    kafka: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = kafka.settings(partitions=3)
    first = open_admin(settings)
    assert [first.partitions_of(topic) for topic in (READINGS, ALERTS, DEAD_LETTERS)] == [3, 1, 1]
    assert first.partitions == 3
    assert "partitions, not" not in caplog.text

    again = open_admin(replace(settings, partitions=5))

    assert again.partitions == 3
    assert f"topic {settings.kafka_topic(READINGS)} has 3 partitions, not 5" in caplog.text
    assert again.log_id == first.log_id
    first.close()
    again.close()


def test_several_processes_may_make_the_topics_at_once(kafka: Broker) -> None:
    settings = kafka.settings()
    found: list[str] = []

    def open_one() -> None:
        admin = open_admin(settings)
        found.append(admin.log_id)
        admin.close()

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert len(set(found)) == 1


async def test_the_group_s_members_are_known_also_those_that_have_no_partition(kafka: Broker) -> None:
    settings = kafka.settings(partitions=1)
    with closing(await asyncio.to_thread(open_admin, settings)) as admin:
        assert await asyncio.to_thread(admin.members, "a") == frozenset()
        names = ["http://first:1", "http://second:2"]
        workers = [Worker(settings, {}, name) for name in names]
        async with running(workers[0].app), running(workers[1].app):
            await asyncio.to_thread(wait_for, lambda: admin.members("a") == set(names), "both are members")
            owners = await asyncio.to_thread(wait_for, lambda: admin.owners("a"), "they have agreed")

    assert list(owners) == [(READINGS, 0)]
    assert set(owners.values()) < set(names)


def test_each_topic_has_an_identity_of_its_own(kafka: Broker) -> None:
    settings = kafka.settings()
    admin = open_admin(settings)
    names = {admin.partition_id(topic) for topic in (READINGS, ALERTS, DEAD_LETTERS)}
    admin.close()
    asyncio.run(delete_topics(settings))

    again = open_admin(settings)

    assert not names & {again.partition_id(topic) for topic in (READINGS, ALERTS, DEAD_LETTERS)}
    again.close()


async def test_partitions_are_read_and_trimmed_each_for_itself(kafka: Broker) -> None:
    settings = kafka.settings(partitions=2)
    admin = await asyncio.to_thread(open_admin, settings)
    async with appending(settings) as appender:
        await asyncio.gather(*[appender.append(READINGS, b"%d" % number, number % 2) for number in range(100)])

    await asyncio.to_thread(admin.trim, READINGS, 40, 1)
    zero, one = [await asyncio.to_thread(admin.extent, READINGS, partition) for partition in range(2)]

    assert (zero.first, zero.next_offset, one.first, one.next_offset) == (0, 50, 40, 50)
    assert zero.size_bytes > 0
    assert await asyncio.to_thread(admin.read, READINGS, 0, 2, 1) == [(40, b"81"), (41, b"83")]
    with pytest.raises(LogError, match=r"readings has partitions 0 to 1, not 2"):
        await asyncio.to_thread(admin.extent, READINGS, 2)
    admin.close()


async def test_trimming_that_kafka_refuses_is_a_warning(kafka: Broker, caplog: pytest.LogCaptureFixture) -> None:
    settings = kafka.settings(partitions=1)
    admin = await asyncio.to_thread(open_admin, settings)
    async with appending(settings) as appender:
        await asyncio.gather(*[appender.append(READINGS, b"x") for _ in range(5000)])
    await kafka.alter_topic(settings.kafka_topic(READINGS), {"cleanup.policy": "compact"})
    below = itertools.count(1)

    def is_refused() -> bool:  # from when the broker knows what was altered
        admin.trim(READINGS, next(below))
        return "trim readings/0" in caplog.text

    await asyncio.to_thread(wait_for, is_refused, "a refusal that is told")
    admin.close()


def test_any_number_of_workers_may_work_on_kafka(kafka: Broker) -> None:
    with lock_worker(kafka.settings()), lock_worker(kafka.settings()) as right:
        right.release()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_the_whole_log_works_with_tls_and_a_password(kafka: Broker, mechanism: str) -> None:
    settings = kafka.secure_settings(mechanism, partitions=1)
    worker = Worker(settings, {})
    async with appending(settings) as appender, running(worker.app):
        await appender.append(READINGS, b"x")
        await until(lambda: worker.events == [(0, 0, b"x")])


async def test_a_client_certificate_is_shown_to_the_brokers(kafka: Broker) -> None:
    settings = kafka.secure_settings("PLAIN", partitions=1)
    assert settings.tls is not None
    settings = replace(settings, tls=replace(settings.tls, certificate=kafka.certificate, key=kafka.key))

    assert (await look_at(settings)).is_ok


async def test_reachability_counts_brokers_and_topics(kafka: Broker) -> None:
    settings = kafka.settings(partitions=2)
    before = await look_at(settings)
    open_admin_and_close(settings)
    after = await look_at(settings)

    assert before == Reachability(True, "1 broker; topics to be made: readings alerts dead_letters", "")
    assert after.is_ok
    assert "1 broker" in after.what
    assert "readings (2 partitions, replication 1)" in after.what


def open_admin_and_close(settings: LogSettings) -> None:
    thread = threading.Thread(target=lambda: open_admin(settings).close())
    thread.start()
    thread.join()


async def test_what_keeps_kafka_away_is_named_with_its_remedy(kafka: Broker, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    secure = kafka.secure_settings("PLAIN")
    plain = kafka.settings()
    cases = {
        "no such host": replace(plain, url="kafka://nowhere.invalid:9092"),
        "refused": replace(plain, url="kafka://127.0.0.1:1"),
        "certificate": replace(secure, tls=Tls(tmp_path / "other.pem")),
        "user or password": replace(secure, sasl=Sasl("streamgauge", "wrong")),
        "no TLS": replace(plain, tls=Tls(kafka.ca)),
        "copies": kafka.settings(replication=3),
        "cannot be read": replace(secure, tls=Tls(tmp_path / "none.pem")),
    }

    found = {expected: await look_at(settings) for expected, settings in cases.items()}

    for expected, answer in found.items():
        assert not answer.is_ok
        assert expected in answer.what, (expected, answer)
        assert answer.remedy


async def test_a_password_is_in_no_message(kafka: Broker, caplog: pytest.LogCaptureFixture) -> None:
    settings = replace(kafka.secure_settings("SCRAM-SHA-256"), sasl=Sasl("streamgauge", "hush-hush", "SCRAM-SHA-256"))
    with caplog.at_level(logging.DEBUG), pytest.raises(LogError) as refusal:
        await asyncio.to_thread(open_admin, settings)

    assert "hush-hush" not in str(refusal.value) + caplog.text + repr(settings)


async def test_the_partitions_of_a_member_that_is_removed_go_to_others_at_once(kafka: Broker) -> None:
    settings = replace(kafka.settings(partitions=2), session_s=600.0)
    first, second = "http://first:1", Worker(settings, {}, "http://second:2")
    with closing(await asyncio.to_thread(open_admin, settings)) as admin, worker_process(settings, first) as process:
        await asyncio.to_thread(wait_for, lambda: first in admin.owners("a").values(), "the first owns them")
        async with running(second.app):
            await asyncio.to_thread(wait_for, lambda: len(set(admin.owners("a").values())) == 2, "both own some")
            process.kill()
            process.wait()

            await asyncio.to_thread(admin.remove, first)

            await until(lambda: second.partitions == {0, 1})
        assert await asyncio.to_thread(admin.members, "a") == frozenset()
