"""Devices that speak TLS with the listener, and those that do not get through the handshake."""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import socket
import ssl
import struct
import subprocess
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from pipeline.gateway.listener.secure_server import SecureServer
from pipeline.gateway.listener.settings import User
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.encode import pubacks
from pipeline.gateway.mqtt_to_readings import BatchSettings
from tests.support.certificate_files import Authority
from tests.support.mqtt_packets import connect, publish
from tests.support.paho_clients import disconnect
from tests.support.secure_devices import WITHIN_S, count, listening, on_uvloop, until

LIMIT = 300_000
FAILED = "tls_handshakes_failed_total"


def open_sockets() -> int:
    """Of this process."""
    return sum(file.is_socket() for file in Path("/proc/self/fd").iterdir())


def acks(*packet_ids: int) -> bytes:
    return pubacks([packet_id.to_bytes(2, "big") for packet_id in packet_ids])


@pytest.mark.parametrize("protocol", [paho.MQTTv311, paho.MQTTv5])
@on_uvloop
async def test_paho_over_tls_publishes_and_each_message_is_stored_once_in_order(
    authority: Authority, protocol: int
) -> None:
    def publish_all(port: int) -> None:
        device = paho.Client(paho.CallbackAPIVersion.VERSION2, "p", protocol=paho.MQTTProtocolVersion(protocol))
        device.tls_set(ca_certs=str(authority.ca))
        device.username_pw_set("farm", "hush")
        device.connect("127.0.0.1", port)
        device.loop_start()
        for info in [device.publish("a/b", b"%d" % i, qos=1) for i in range(300)]:
            info.wait_for_publish(WITHIN_S)
        disconnect(device)

    async with listening(authority.files(), users=(User("farm", "hush", "acc"),)) as listener:
        await asyncio.to_thread(publish_all, listener.port)

        assert listener.messages == [("acc", "a/b", b"%d" % i) for i in range(300)]
        await until(lambda: not listener.gateway._sessions)


@on_uvloop
async def test_paho_publishes_over_websockets_and_tls(authority: Authority) -> None:
    def publish_all(port: int) -> None:
        device = paho.Client(paho.CallbackAPIVersion.VERSION2, "p", transport="websockets")
        device.tls_set(ca_certs=str(authority.ca))
        device.connect("127.0.0.1", port)
        device.loop_start()
        for info in [device.publish("a/b", b"%d" % i, qos=1) for i in range(300)]:
            info.wait_for_publish(WITHIN_S)
        disconnect(device)

    async with listening(authority.files()) as listener:
        await asyncio.to_thread(publish_all, listener.port)

        assert listener.messages == [("default", "a/b", b"%d" % i) for i in range(300)]
        await until(lambda: not listener.gateway._sessions)


@pytest.mark.processes
@on_uvloop
async def test_mosquitto_pub_publishes_over_tls(authority: Authority) -> None:
    program = shutil.which("mosquitto_pub")
    assert program is not None, "install mosquitto-clients"
    async with listening(authority.files()) as listener:
        options = ["-p", str(listener.port), "-h", "127.0.0.1", "-q", "1", "-t", "a/b", "-m", "21.4"]
        command = [program, "--cafile", str(authority.ca), *options]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=WITHIN_S)

        assert listener.messages == [("default", "a/b", b"21.4")]


@on_uvloop
async def test_a_client_that_does_not_trust_the_certificate_is_counted(authority: Authority) -> None:
    async with listening(authority.files()) as listener:
        before = count(FAILED, server="mqtt", reason="refused_by_client")

        def dial() -> None:
            with (
                socket.create_connection(("127.0.0.1", listener.port), timeout=WITHIN_S) as plain,
                pytest.raises(ssl.SSLCertVerificationError),
            ):
                ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")

        await asyncio.to_thread(dial)
        await until(lambda: count(FAILED, server="mqtt", reason="refused_by_client") == before + 1)


@on_uvloop
async def test_a_plain_client_is_cut_off_counted_and_complained_of(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(authority.files(), connect_timeout_s=3600) as listener:
        before = count(FAILED, server="mqtt", reason="not_tls")
        device = await listener.dial(None)
        device.writer.write(connect("d", Version.V3_1_1))

        assert b"\x20\x02\x00\x00" not in await device.closed()
        await until(lambda: count(FAILED, server="mqtt", reason="not_tls") == before + 1)
        address = "{}:{}".format(*device.writer.get_extra_info("sockname"))
        assert f"TLS handshake, not_tls: {address}: it does not speak TLS" in caplog.text


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01"])
@on_uvloop
async def test_a_handshake_that_stalls_is_cut_off_and_counted(authority: Authority, first: bytes) -> None:
    async with listening(authority.files(), connect_timeout_s=0.2) as listener:
        before = count(FAILED, server="mqtt", reason="timeout")
        device = await listener.dial(None)
        device.writer.write(first)

        await device.closed()
        await until(lambda: count(FAILED, server="mqtt", reason="timeout") == before + 1)


@on_uvloop
async def test_who_only_looks_whether_somebody_listens_is_counted_and_not_complained_of(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with listening(authority.files()) as listener:
        before = count(FAILED, server="mqtt", reason="lost")
        await (await listener.dial(None)).close()

        await until(lambda: count(FAILED, server="mqtt", reason="lost") == before + 1)
    assert not caplog.records


@on_uvloop
async def test_connections_that_break_in_the_midst_of_the_handshake_leave_nothing_behind(authority: Authority) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        authority.trusting().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1").do_handshake()
    hello = outgoing.read()

    def break_off(port: int) -> None:
        for size in (0, 1, 5, 60, len(hello)):
            for linger in (struct.pack("ii", 0, 0), struct.pack("ii", 1, 0)):  # the second resets
                with socket.create_connection(("127.0.0.1", port)) as device:
                    device.sendall(hello[:size])
                    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with listening(authority.files()) as listener:
        gc.collect()  # sockets that earlier tests left to it
        before, open_before = count(FAILED, server="mqtt", reason="lost"), open_sockets()
        await asyncio.to_thread(break_off, listener.port)

        await until(lambda: count(FAILED, server="mqtt", reason="lost") == before + 10)
        assert isinstance(listener.gateway._server, SecureServer)
        tasks = listener.gateway._server._tasks
        await until(lambda: len(tasks) == 1)
        await until(lambda: open_sockets() == open_before)


@on_uvloop
async def test_a_device_that_says_nothing_after_the_handshake_is_cut_off(authority: Authority) -> None:
    async with listening(authority.files(), connect_timeout_s=0.1) as listener:
        device = await listener.dial(authority.trusting())

        assert await device.closed() == b""
        await device.close()
        await until(lambda: not listener.gateway._sessions)


@on_uvloop
async def test_a_device_that_does_not_close_after_the_goodbye_is_cut_off(authority: Authority) -> None:
    async with listening(authority.files(), users=(User("a", "b", "c"),)) as listener:
        device = await listener.dial(authority.trusting())
        device.writer.transport.pause_reading()  # type: ignore[attr-defined]
        device.writer.write(connect("d", Version.V3_1_1))

        await until(lambda: listener.gateway._sessions)
        await until(lambda: not listener.gateway._sessions)


@on_uvloop
async def test_a_refusal_reaches_a_device_that_goes_on_sending(authority: Authority) -> None:
    """To close with bytes unread would reset the connection, and the CONNACK with it."""
    async with listening(authority.files(), users=(User("a", "b", "c"),)) as listener:
        device = await listener.dial(authority.trusting())
        device.writer.write(connect("d", Version.V5) + publish("t", bytes(100_000), version=Version.V5))

        assert (await device.packet())[3] == 0x87
        device.writer.write(publish("t", bytes(100_000), version=Version.V5))
        await device.closed()


@on_uvloop
async def test_backpressure_holds_with_tls_and_nothing_is_dropped(authority: Authority) -> None:
    batch = BatchSettings(close_after_s=0.005, max_waiting_messages=1_000, max_waiting_bytes=LIMIT)
    async with listening(authority.files(), batch=batch, busy_after_s=3600) as listener:
        devices = [await listener.device(authority.trusting(), f"d{i}") for i in range(4)]
        listener.log.is_stalled = True
        ids = range(1, 5_001)  # 20 MB in all
        for device in devices:
            device.writer.write(b"".join(publish("t", bytes(1_000), packet_id=i) for i in ids))
        stage = listener.gateway.stage
        await until(lambda: listener.gateway.is_pressed)
        held = -1
        while held != stage._waiting_bytes:  # what was on its way when reading stopped
            held = stage._waiting_bytes
            await asyncio.sleep(0.2)
        read_ahead = len(devices) * 1024 * 1024  # what TLS may have decrypted of each before it was paused

        assert held <= LIMIT + (1 << 20) + read_ahead
        assert not any(session._is_reading for session in listener.gateway._sessions)
        listener.log.is_stalled = False
        listener.log.let_go()
        for device in devices:
            await device.receive(acks(*ids))
        assert len(listener.messages) == len(devices) * len(ids)


@on_uvloop
async def test_with_tls_too_who_does_not_read_its_pubacks_is_not_read(authority: Authority) -> None:
    never_pressed = BatchSettings(max_waiting_messages=1 << 40, max_waiting_bytes=1 << 40)
    async with listening(authority.files(), batch=never_pressed) as listener:
        device = await listener.device(authority.trusting(), receive_buffer_bytes=8_192)
        transport = device.writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]
        (session,) = listener.gateway._sessions
        session._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
        session._transport.set_write_buffer_limits(1 << 16)  # instead of 512 KiB, which are 130,000 PUBACKs
        burst = b"".join(publish("t", b"x", packet_id=i) for i in range(1, 5_001))

        sent = 0
        while session._can_write:
            device.writer.write(burst)
            sent += 1
            await asyncio.sleep(0.01)
            await until(lambda: not session._can_write or not transport.get_write_buffer_size())
        assert not session._is_reading
        assert session._transport.get_write_buffer_size() < 1 << 20

        transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(sent):
            await device.receive(acks(*range(1, 5_001)))
