"""A log that is slow or full: nothing is dropped, memory is bounded, and all goes on when it drains."""

from __future__ import annotations

import asyncio
import socket

import pytest
from byte_devices import Listen, Listener, until
from prometheus_client import REGISTRY

from pipeline.base.errors import LogFull
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.encode import pubacks
from pipeline.gateway.mqtt_to_readings import BatchSettings, MqttToReadings
from pipeline.log.frame import decode_frame
from pipeline.log.testing import FakeAppender
from tests.support.manual_clock import stamps_by
from tests.support.mqtt_packets import connect, publish

V3, V5 = Version.V3_1_1, Version.V5
LIMIT = 300_000


def acks(*packet_ids: int) -> bytes:
    return pubacks([packet_id.to_bytes(2, "big") for packet_id in packet_ids])


@pytest.fixture
async def small(listen: Listen) -> Listener:
    """A listener that lets little wait for the log."""
    batch = BatchSettings(close_after_s=0.005, max_waiting_messages=1_000, max_waiting_bytes=LIMIT)
    return await listen(batch=batch, busy_after_s=0.0)


async def test_a_full_log_is_asked_again_until_it_takes_the_frame(small: Listener) -> None:
    small.log.is_full = True
    device = await small.device()
    device.send(publish("t", b"1", packet_id=1))
    await until(lambda: small.log.refusals >= 2)
    assert not small.payloads

    small.log.is_full = False

    await device.receive(acks(1))
    assert small.payloads == [b"1"]


async def test_time_without_reading_is_counted_while_it_lasts(small: Listener) -> None:
    def paused_s() -> float:
        return REGISTRY.get_sample_value("streamgauge_gateway_paused_seconds_total") or 0.0

    before = paused_s()
    small.log.is_full = True
    device = await small.device()
    device.send(publish("t", b"1", packet_id=1))
    await until(lambda: small.gateway.is_pressed)
    small.turn(1)
    during = paused_s()
    small.log.is_full = False
    await until(lambda: not small.gateway.is_pressed)

    assert before < during < paused_s() < before + 10


async def test_frames_and_pubacks_keep_their_order_through_a_full_log(listen: Listen) -> None:
    small = await listen(batch=BatchSettings(close_after_s=0.001, max_messages=5))
    small.log.is_full = True
    first, second = await small.device("first"), await small.device("second")
    first.send(b"".join(publish("t", b"%d" % i, packet_id=i) for i in range(1, 31)))
    await until(lambda: small.gateway.is_pressed)
    second.send(publish("t", b"second", packet_id=7))

    small.log.is_full = False

    await first.receive(acks(*range(1, 31)))
    await second.receive(acks(7))
    assert small.payloads == [b"%d" % i for i in range(1, 31)] + [b"second"]


@pytest.mark.parametrize(("version", "code"), [(V3, 3), (V5, 0x89)])
@pytest.mark.parametrize("trouble", ["is_full", "is_stalled"])
async def test_new_connections_are_told_server_busy_and_let_in_when_it_is_over(
    small: Listener, version: Version, code: int, trouble: str
) -> None:
    device = await small.device("first")
    setattr(small.log, trouble, True)
    device.send(b"".join(publish("t", b"x", packet_id=i) for i in range(1, 1_200)))
    await until(lambda: small.gateway.is_pressed)
    late = await small.dial()
    late.send(connect("late", version))
    assert (await late.closed())[3] == code

    setattr(small.log, trouble, False)
    small.log.let_go()
    await until(lambda: not small.gateway.is_pressed)

    late = await small.device("late", version)
    late.send(publish("t", b"x", packet_id=1, version=version))
    await late.receive(acks(1))


async def test_while_the_log_is_slow_for_a_moment_only_new_connections_are_let_in(listen: Listen) -> None:
    small = await listen(batch=BatchSettings(max_messages=1, max_waiting_messages=1), busy_after_s=3600)
    device = await small.device("first")
    small.log.is_stalled = True
    device.send(publish("t", b"1", packet_id=1))
    await until(lambda: small.gateway.is_pressed)

    late = await small.device("late")
    late.send(publish("t", b"2", packet_id=2))
    assert not any(session._is_reading for session in small.gateway._sessions)
    small.log.is_stalled = False
    small.log.let_go()

    await late.receive(acks(2))


async def test_memory_is_bounded_and_nothing_is_dropped(small: Listener) -> None:
    small.log.is_stalled = True
    devices = [await small.device(f"d{i}") for i in range(5)]
    message_bytes, count = 1_000, 2_000  # 10 MB in all
    for device in devices:
        device.send(b"".join(publish("t", bytes(message_bytes), packet_id=i) for i in range(1, count + 1)))
    await until(lambda: small.gateway.is_pressed and not any(s._is_reading for s in small.gateway._sessions))
    read_ahead_bytes = len(devices) * 256 * 1024  # what asyncio may have read of each before it was paused

    assert small.gateway.stage._waiting_bytes <= LIMIT + (1 << 20) + read_ahead_bytes
    small.log.is_stalled = False
    small.log.let_go()
    for device in devices:
        await device.receive(acks(*range(1, count + 1)))
    assert len(small.payloads) == len(devices) * count


async def test_who_does_not_read_its_pubacks_is_not_read(listen: Listen) -> None:
    listener = await listen()
    device = await listener.device(buffer_bytes=8_192)
    device.reader._transport.pause_reading()  # type: ignore[attr-defined]
    (session,) = listener.gateway._sessions
    # The system would let its buffers grow to megabytes, which are a million PUBACKs.
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        session._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, buffer, 8_192)
    burst = b"".join(publish("t", b"x", packet_id=i) for i in range(1, 5_001))

    sent = 0
    while session._can_write:
        device.send(burst)
        sent += 1
        await until(lambda: not session._can_write or not device.writer.transport.get_write_buffer_size())
    assert not session._is_reading
    assert session._transport.get_write_buffer_size() < 1 << 20

    device.reader._transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(sent):
        await device.receive(acks(*range(1, 5_001)))


async def test_a_small_frame_does_not_slip_into_a_full_log_before_a_large_one() -> None:
    appended: list[bytes] = []
    room_bytes = 500

    class NearlyFull(FakeAppender):
        """Takes what fits."""

        def append(self, topic: str, value: bytes, partition: int = 0) -> asyncio.Future[int]:
            future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            if len(value) > room_bytes:
                self.refusals += 1
                future.set_exception(LogFull("no room for that"))
            else:
                appended.append(decode_frame(value).payloads[0])
                future.set_result(len(appended))
            return future

    def take(payload: bytes) -> None:
        stage.batch.mqtt_topics.append("t")
        stage.batch.payloads.append(payload)
        stage.took("default", 1, len(payload), None, [])

    log = NearlyFull()
    stage = MqttToReadings(log, BatchSettings(max_messages=1), stamps=stamps_by(lambda: 1), on_pressure=lambda _: None)
    take(bytes(1_000))
    await until(lambda: log.refusals == 1)
    take(b"small")
    await until(lambda: log.refusals == 2)
    assert not appended

    room_bytes = 5_000
    await stage.drain()

    assert appended == [bytes(1_000), b"small"]
    stage.failed.cancel()
