"""A gateway tells in the log when it listens: behind what it received, and not while it does not read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from byte_devices import until

from pipeline.config.tables import DEFAULT_TABLE
from pipeline.gateway.listening import LONGEST_NS, Listening
from pipeline.gateway.mqtt_to_readings import BatchSettings, MqttToReadings
from pipeline.log.frame import FrameKind, decode_frame
from pipeline.log.testing import FakeAppender
from pipeline.log.tick import Tick, tick_of
from pipeline.stream.partitioning import Partitioner, zonings_from
from tests.support.manual_clock import stamps_by

S = 1_000_000_000
T = 1_795_000_000 * S


def told(listening: Listening, *seconds: float) -> list[tuple[float, float]]:
    """(from, to) of ticks at these seconds after T."""
    ticks = [listening.tick(T + int(second * S)) for second in seconds]
    return [((tick.from_ns - T) / S, (tick.to_ns - T) / S) for tick in ticks]


def test_ticks_follow_each_other() -> None:
    assert told(Listening("g"), 5, 6, 7.5) == [(5, 5), (5, 6), (6, 7.5)]


def test_a_process_that_did_not_run_did_not_listen() -> None:
    most = LONGEST_NS / S

    assert told(Listening("g"), 0, most) == [(0, 0), (0, most)]
    assert told(Listening("g"), 0, most + 0.001) == [(0, 0), (most + 0.001, most + 0.001)]


def test_a_clock_that_is_set_begins_anew() -> None:
    assert told(Listening("g"), 100, 101, 40, 41) == [(100, 100), (100, 101), (40, 40), (40, 41)]


def test_after_an_interruption_it_begins_anew() -> None:
    listening = Listening("g")
    before = told(listening, 0, 1)
    listening.interrupt()

    assert (before, told(listening, 2, 3)) == ([(0, 0), (0, 1)], [(2, 2), (2, 3)])


class Bench:
    """A stage on a log with two partitions whose clock is moved by hand."""

    def __init__(self) -> None:
        self.log = FakeAppender(2)
        self.now_ns = T
        self.stage = MqttToReadings(
            self.log,
            BatchSettings(close_after_s=60),
            stamps=stamps_by(lambda: self.now_ns),
            on_pressure=lambda _: None,
            partition_of=Partitioner(zonings_from([DEFAULT_TABLE]), 2),
            listening=Listening("g"),
        )

    def publish(self, mqtt_topic: str) -> None:
        self.stage.take("default", mqtt_topic, b"{}", None, [])

    def appended(self, partition: int) -> list[str | Tick]:
        """The MQTT topics and ticks of a partition, in order."""
        found: list[str | Tick] = []
        for frame in map(decode_frame, self.log.by_partition[partition]):
            found += [tick_of(frame)] if frame.kind is FrameKind.TICK else frame.mqtt_topics
        return found


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.stage.stop()
    bench.stage.failed.cancel()


async def test_a_tick_is_in_every_partition_behind_what_was_received_before_it(bench: Bench) -> None:
    topics = [f"zone-{number}/s" for number in range(8)]
    for mqtt_topic in topics:
        bench.publish(mqtt_topic)
    bench.stage.tell_listening()
    bench.publish("zone-1/later")
    await until(lambda: bench.appended(0) and bench.appended(1))

    *first, tick = bench.appended(0)
    *second, same = bench.appended(1)
    assert sorted(map(str, first + second)) == sorted(topics)
    assert tick == same
    assert isinstance(tick, Tick)
    arrivals = [ns for of in bench.log.by_partition.values() for ns in decode_frame(of[0]).arrival_ns]
    assert tick.to_ns > max(arrivals)


async def test_while_the_log_takes_nothing_it_does_not_listen(bench: Bench) -> None:
    bench.stage.tell_listening()
    await until(lambda: bench.appended(0))
    bench.log.is_full = True
    bench.publish("zone-1/s")
    bench.now_ns += S
    bench.stage.tell_listening()
    await until(lambda: bench.stage.is_pressed)
    bench.now_ns += S
    bench.stage.tell_listening()
    bench.log.is_full = False
    await until(lambda: not bench.stage.is_pressed)
    bench.now_ns += S
    bench.stage.tell_listening()
    await until(lambda: len([one for one in bench.appended(0) if isinstance(one, Tick)]) == 3)

    ticks = [one for one in bench.appended(0) if isinstance(one, Tick)]
    spans = [((tick.from_ns - T) // S, (tick.to_ns - T) // S) for tick in ticks]
    assert spans == [(0, 0), (0, 1), (3, 3)]


async def test_it_says_goodbye(bench: Bench) -> None:
    bench.stage.tell_listening()
    bench.publish("zone-1/s")
    await bench.stage.drain()

    last = bench.appended(0)[-1]
    assert isinstance(last, Tick)
    assert last.is_last
