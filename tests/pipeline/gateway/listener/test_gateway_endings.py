"""How connections end: silence, wills, the gateway's own end, a log that fails."""

from __future__ import annotations

import asyncio

import pytest
from byte_devices import WITHIN_S, Listen, Listener, until

from pipeline.base.arrival import host_stamps
from pipeline.base.errors import LogError
from pipeline.gateway.listener.session import CLOSE_WITHIN_S, Session
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.fields import encode_binary, encode_text
from pipeline.gateway.mqtt_to_readings import BatchSettings
from pipeline.gateway.serve import serve
from pipeline.log.testing import FakeAppender
from tests.support.mqtt_packets import connect, packet, properties_of, publish
from tests.support.wire import Wire

V3, V5 = Version.V3_1_1, Version.V5
KEEP_ALIVE_S = 10
TURNS = 30  # 1.5 * 10 s in turns of 0.5 s


def will(version: Version, *, delay: bytes = b"") -> bytes:
    return properties_of(version, delay) + encode_text("wills/d") + encode_binary(b"gone")


async def with_will(listener: Listener, version: Version = V3, **more: bytes) -> object:
    return await listener.device("d", version, flags=0x0E, keep_alive_s=KEEP_ALIVE_S, payload=will(version, **more))


@pytest.mark.parametrize(("version", "goodbye"), [(V3, b""), (V5, b"\x8d")])
async def test_a_silent_device_is_ended_after_one_and_a_half_keep_alives_and_not_before(
    listener: Listener, version: Version, goodbye: bytes
) -> None:
    device = await listener.device("d", version, keep_alive_s=KEEP_ALIVE_S)
    (session,) = listener.gateway._sessions
    listener.turn(TURNS)
    assert session.is_connected

    listener.turn(1)

    assert not session.is_connected
    assert (await device.closed())[2:3] == goodbye


async def test_whatever_a_device_sends_keeps_it_alive(listener: Listener) -> None:
    device = await listener.device(keep_alive_s=KEEP_ALIVE_S)
    (session,) = listener.gateway._sessions
    for _ in range(3):
        listener.turn(TURNS - 1)
        device.send(b"\xc0\0")
        await device.receive(b"\xd0\0")
    assert session.is_connected

    listener.turn(TURNS + 1)

    assert not session.is_connected


@pytest.mark.parametrize("keep_alive_s", [0, 65_535])
async def test_a_long_keep_alive_or_none_lasts_beyond_a_round_of_the_wheel(
    listener: Listener, keep_alive_s: int
) -> None:
    await listener.device(keep_alive_s=keep_alive_s)
    (session,) = listener.gateway._sessions
    listener.turn(65_535 * 3)
    assert session.is_connected

    listener.turn(1)

    assert session.is_connected == (keep_alive_s == 0)


async def test_a_device_that_is_not_read_is_not_found_silent(listen: Listen) -> None:
    listener = await listen(batch=BatchSettings(max_messages=1, max_waiting_messages=1))
    listener.log.is_stalled = True
    device = await listener.device(keep_alive_s=KEEP_ALIVE_S)
    (session,) = listener.gateway._sessions
    device.send(publish("t", b"x", packet_id=1))
    await until(lambda: listener.gateway.is_pressed)
    listener.turn(TURNS * 10)
    listener.log.let_go()
    await device.receive(b"\x40\2\0\1")

    listener.turn(TURNS - 1)  # and then it has a whole keep-alive
    assert session.is_connected

    listener.turn(2)
    assert not session.is_connected


@pytest.mark.parametrize("version", Version)
async def test_the_will_of_a_device_that_vanishes_is_taken_in(listener: Listener, version: Version) -> None:
    device = await with_will(listener, version)
    device.abort()  # type: ignore[attr-defined]

    await until(lambda: listener.messages == [("default", "wills/d", b"gone")])


async def test_the_will_of_a_silent_device_is_taken_in(listener: Listener) -> None:
    await with_will(listener)
    listener.turn(TURNS + 1)

    await until(lambda: listener.payloads == [b"gone"])


async def test_a_will_comes_at_once_whatever_delay_it_asks_for(listener: Listener) -> None:
    """5: 3.1.3.2.2: at the latest when the session ends, and that is with the connection."""
    device = await with_will(listener, V5, delay=b"\x18\0\0\xff\xff")
    device.abort()  # type: ignore[attr-defined]

    await until(lambda: listener.payloads == [b"gone"])


async def test_a_will_of_qos_2_is_accepted_in_3_1_1(listener: Listener) -> None:
    device = await listener.device("d", V3, flags=0x16, payload=will(V3))
    device.abort()

    await until(lambda: listener.payloads == [b"gone"])


async def test_the_will_of_a_device_that_is_taken_over_is_taken_in(listener: Listener) -> None:
    await with_will(listener)
    await listener.device("d")

    await until(lambda: listener.payloads == [b"gone"])


async def test_a_bad_packet_leaves_a_will_behind_after_the_messages_before_it(listener: Listener) -> None:
    device = await with_will(listener)
    device.send(publish("t", b"last") + b"\0\0")  # type: ignore[attr-defined]

    await until(lambda: listener.payloads == [b"last", b"gone"])


@pytest.mark.parametrize(
    ("version", "goodbye", "comes"),
    [(V3, b"\xe0\0", False), (V5, b"\xe0\0", False), (V5, packet(0xE0, b"\4"), True)],
    ids=["3.1.1", "5", "5, disconnect with will"],
)
async def test_a_disconnect_takes_the_will_with_it_unless_it_says_otherwise(
    listener: Listener, version: Version, goodbye: bytes, comes: bool
) -> None:
    device = await with_will(listener, version)
    device.send(publish("t", b"last", version=version) + goodbye)  # type: ignore[attr-defined]
    await until(lambda: not listener.gateway._sessions)
    await listener.gateway.stage.drain()

    assert listener.payloads == [b"last"] + [b"gone"] * comes


@pytest.mark.parametrize(("version", "goodbye"), [(V3, b""), (V5, b"\xe0\1\x8b")])
async def test_a_graceful_end_acknowledges_what_was_taken_in_and_says_goodbye(
    listen: Listen, version: Version, goodbye: bytes
) -> None:
    listener = await listen(batch=BatchSettings(close_after_s=3600))
    device = await listener.device("d", version, flags=0x0E, payload=will(version))
    device.send(publish("t", b"x", packet_id=1, version=version))
    await until(lambda: len(listener.gateway.stage.batch.arrival_ns) == 1)

    rest, _ = await asyncio.gather(device.closed(), listener.gateway.stop())

    assert rest == b"\x40\2\0\1" + goodbye
    assert listener.payloads == [b"x"]  # and no will: nobody died


async def test_a_gateway_that_ends_takes_in_no_more(listener: Listener) -> None:
    listener.log.is_stalled = True
    device = await listener.device()
    device.send(publish("t", b"1", packet_id=1))
    await until(lambda: listener.log.waiting_bytes > 0)

    end = asyncio.create_task(listener.gateway.stop())
    await asyncio.sleep(0)
    device.send(publish("t", b"2", packet_id=2))
    assert not any(session._is_reading for session in listener.gateway._sessions)
    with pytest.raises(ConnectionRefusedError):
        await listener.dial()
    listener.log.let_go()

    assert await device.closed() == b"\x40\2\0\1"
    await end
    assert listener.payloads == [b"1"]


async def test_a_graceful_end_does_not_wait_for_ever_for_a_full_log(listen: Listen) -> None:
    listener = await listen(stop_timeout_s=0.05)
    listener.log.is_full = True
    device = await listener.device()
    device.send(publish("t", b"x", packet_id=1))
    await until(lambda: listener.log.refusals > 0)

    rest, _ = await asyncio.gather(device.closed(), listener.gateway.stop())

    assert rest == b""


async def test_a_log_that_fails_ends_the_server_with_its_error() -> None:
    log = FakeAppender()
    log.broken = LogError("disk gone")
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        serve(ListenerSettings(port=0), log, stamps=host_stamps(), stop=asyncio.Event(), on_listening=port.set_result)
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", await port)
    writer.write(connect("d") + publish("t", b"x", packet_id=1))

    assert await reader.read() == b"\x20\2\0\0"
    writer.close()

    with pytest.raises(LogError, match="disk gone"):
        await asyncio.wait_for(server, WITHIN_S)


async def test_two_gateways_share_a_port(listen: Listen) -> None:
    first = await listen()
    second = await listen(port=first.gateway.port)
    for i in range(40):  # the kernel spreads them
        await first.device(f"d{i}")

    assert first.gateway._sessions
    assert second.gateway._sessions


async def test_a_device_that_does_not_read_its_last_bytes_is_cut_off(listener: Listener) -> None:
    gateway = listener.gateway
    session, wire = Session(gateway), Wire()
    session.connection_made(wire)
    session.data_received(connect("d", V5) + b"\0\0")
    listener.turn(gateway.turns(CLOSE_WITHIN_S) - 1)
    assert wire.is_closed
    assert not wire.is_aborted

    listener.turn(1)

    assert wire.is_aborted
    session.connection_lost(None)


async def test_a_device_reads_why_it_was_ended_however_much_it_was_sending(listener: Listener) -> None:
    """Bytes that nobody reads would make the kernel reset the connection."""
    device = await listener.device("d", V5)
    device.send(b"\0\0" + bytes(3_000_000))

    assert (await device.closed())[:3] == b"\xe0" + bytes(
        (len("a packet of type 0, which no client may send here") + 5, 0x81)
    )
    assert not listener.payloads


async def test_nothing_is_sent_that_is_larger_than_the_device_takes(listener: Listener) -> None:
    """5: 3.1.2.11.4. CONNACK has 18 bytes, a SUBACK for n filters 5 + n, a DISCONNECT 3 and more with its reason."""
    device = await listener.device("d", V5, properties=b"\x27\0\0\0\x12")
    for count in (13, 14):
        device.send(packet(0x82, b"\0" + bytes((count,)) + b"\0" + b"\0\1#\0" * count))
    device.send(b"\0\0")

    assert await device.closed() == b"\x90\x10\0\x0d\0" + b"\x87" * 13 + b"\xe0\1\x81"
