"""The gateway's stage on a log with several partitions: a frame for each, PUBACKs after all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from byte_devices import until

from pipeline.config.tables import DEFAULT_TABLE
from pipeline.gateway.mqtt_to_readings import BatchSettings, MqttToReadings
from pipeline.log.frame import FrameKind, decode_frame
from pipeline.log.testing import FakeAppender
from pipeline.stream.partitioning import Partitioner, zonings_from
from tests.support.manual_clock import stamps_by

PARTITIONS = 3
TOPICS = [f"zone-{number}/sensor" for number in range(12)]


class Device:
    """Notes its PUBACKs."""

    qos = 1

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        self.acknowledged += [int.from_bytes(packet_id, "big") for packet_id in packet_ids]
        return len(packet_ids)


class Bench:
    """The stage, a device and a log in memory."""

    def __init__(self) -> None:
        self.log = FakeAppender(PARTITIONS)
        self.partition_of = Partitioner(zonings_from([DEFAULT_TABLE]), PARTITIONS)
        self.pressed: list[bool] = []
        self.stage = MqttToReadings(
            self.log,
            BatchSettings(close_after_s=0.001),
            stamps=stamps_by(lambda: 1),
            on_pressure=self.pressed.append,
            partition_of=self.partition_of,
        )
        self.device = Device()
        self._packet_ids = itertools.count(1)

    def publish(self, mqtt_topic: str) -> int:
        """One message with QoS 1; its payload is its packet identifier."""
        number = next(self._packet_ids)
        self.stage.batch.mqtt_topics.append(mqtt_topic)
        self.stage.batch.payloads.append(b"%d" % number)
        self.stage.took("default", 1, 10, self.device, [number.to_bytes(2, "big")])
        return number

    def taken(self, partition: int) -> list[tuple[str, int, int]]:
        """(MQTT topic, packet identifier, arrival) of what is in a partition."""
        return [
            (mqtt_topic, int(payload), arrival_ns)
            for frame in map(decode_frame, self.log.by_partition[partition])
            for mqtt_topic, payload, arrival_ns in zip(frame.mqtt_topics, frame.payloads, frame.arrival_ns, strict=True)
        ]


@pytest.fixture
async def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.stage.stop()
    bench.stage.failed.cancel()


async def test_each_message_is_in_the_frame_of_its_partition_and_each_partition_in_order(bench: Bench) -> None:
    numbers = [bench.publish(mqtt_topic) for _ in range(50) for mqtt_topic in TOPICS]
    await until(lambda: len(bench.device.acknowledged) == len(numbers))

    taken = [bench.taken(partition) for partition in range(PARTITIONS)]

    assert bench.device.acknowledged == numbers
    assert all(taken)
    for partition, messages in enumerate(taken):
        assert {bench.partition_of("default", mqtt_topic) for mqtt_topic, _, _ in messages} == {partition}
        assert [number for _, number, _ in messages] == sorted(number for _, number, _ in messages)
        arrivals = [arrival_ns for _, _, arrival_ns in messages]
        assert all(a < b for a, b in itertools.pairwise(arrivals))
    assert sorted(number for messages in taken for _, number, _ in messages) == numbers


async def test_an_ack_batch_is_one_frame_for_each_partition(bench: Bench) -> None:
    for mqtt_topic in TOPICS:
        bench.publish(mqtt_topic)
    await until(lambda: bool(bench.device.acknowledged))

    assert [len(frames) for frames in bench.log.by_partition.values()] == [1] * PARTITIONS


async def test_while_one_partition_is_away_nothing_is_acknowledged_and_nothing_is_lost_or_doubled(
    bench: Bench,
) -> None:
    bench.log.unavailable = {0}
    numbers = [bench.publish(mqtt_topic) for mqtt_topic in TOPICS]
    await until(lambda: bench.log.refusals >= 2)
    numbers += [bench.publish(mqtt_topic) for mqtt_topic in TOPICS]
    await until(lambda: bench.log.refusals >= 3)
    assert bench.device.acknowledged == []
    assert bench.pressed == [True]
    assert "away" in bench.stage.trouble

    bench.log.unavailable = set()
    await until(lambda: len(bench.device.acknowledged) == len(numbers))

    assert bench.device.acknowledged == numbers
    assert bench.pressed == [True, False]
    for partition in range(PARTITIONS):
        found = [number for _, number, _ in bench.taken(partition)]
        assert found == sorted(set(found)), "in order, each once"
    assert sorted(number for partition in range(PARTITIONS) for _, number, _ in bench.taken(partition)) == numbers


@pytest.mark.parametrize(("trouble", "kind"), [("unavailable", FrameKind.MQTT_AGAIN), ("is_full", FrameKind.MQTT)])
async def test_a_frame_that_may_be_in_the_log_says_so_when_it_is_appended_again(
    bench: Bench, trouble: str, kind: FrameKind
) -> None:
    """Its readings may have the time of their arrival, and then only this tells that they may be stored already."""
    numbers = [bench.publish("a/b")]
    partition = bench.partition_of("default", "a/b")
    setattr(bench.log, trouble, {partition} if trouble == "unavailable" else True)
    await until(lambda: bench.log.refusals >= 2)
    setattr(bench.log, trouble, set() if trouble == "unavailable" else False)
    await until(lambda: bench.device.acknowledged == numbers)
    numbers.append(bench.publish("a/b"))
    await until(lambda: bench.device.acknowledged == numbers)

    assert [decode_frame(value).kind for value in bench.log.by_partition[partition]] == [kind, FrameKind.MQTT]
    assert bench.stage._waiting_bytes == 0
