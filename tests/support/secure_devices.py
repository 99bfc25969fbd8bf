"""A listener with TLS and a fake log on uvloop, as in a gateway, and devices that send given bytes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import uvloop
from prometheus_client import REGISTRY

from pipeline.base.arrival import host_stamps
from pipeline.base.tls.files import TlsFiles
from pipeline.gateway.listener.server import Gateway
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.fields import encode_binary, encode_text
from pipeline.log.frame import decode_frame
from pipeline.log.testing import FakeAppender
from tests.support.mqtt_packets import connect

WITHIN_S = 60.0


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test on uvloop."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        uvloop.run(test(*arguments, **fixtures))

    return run


async def until(is_so: Callable[[], Any]) -> None:
    """Poll until the condition is true; fail the test if that takes too long."""
    end_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < end_s, "not so within the time allowed"
        await asyncio.sleep(0.005)


def count(name: str, **labels: str) -> float:
    """The value of a metric."""
    return REGISTRY.get_sample_value(f"streamgauge_{name}", labels) or 0.0


class Device:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def receive(self, expected: bytes) -> None:
        """Check that these are the next bytes."""
        async with asyncio.timeout(WITHIN_S):
            assert await self.reader.readexactly(len(expected)) == expected

    async def packet(self) -> bytes:
        """The next packet, at most 129 bytes long."""
        async with asyncio.timeout(WITHIN_S):
            head = await self.reader.readexactly(2)
            return head + await self.reader.readexactly(head[1])

    async def closed(self) -> bytes:
        """The bytes until the listener closes."""
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.read()

    @property
    def certificate(self) -> bytes:
        """The certificate of the listener."""
        return self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)  # type: ignore[no-any-return]

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Listener:
    """A gateway with TLS, its log, and the devices that a test connects."""

    def __init__(self, gateway: Gateway, log: FakeAppender) -> None:
        self.gateway = gateway
        self.log = log
        self.port = gateway.port
        self._devices: list[Device] = []

    @property
    def messages(self) -> list[tuple[str, str, bytes]]:
        """(account, MQTT topic, payload) of all durable readings."""
        frames = [decode_frame(value) for _, value in self.log.appended]
        return [message for f in frames for message in zip(f.accounts, f.mqtt_topics, f.payloads, strict=True)]

    async def dial(self, context: ssl.SSLContext | None, receive_buffer_bytes: int | None = None) -> Device:
        """A connection without CONNECT; None: without TLS."""
        connection = socket.socket()
        if receive_buffer_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        name = None if context is None else "127.0.0.1"
        device = Device(*await asyncio.open_connection(sock=connection, ssl=context, server_hostname=name))
        self._devices.append(device)
        return device

    async def connack(
        self, context: ssl.SSLContext, *, username: str | None = None, password: bytes | None = None
    ) -> bytes:
        """The response to a CONNECT of MQTT 5."""
        flags, payload = 0x02, b""
        if username is not None:
            flags, payload = flags | 0x80, payload + encode_text(username)
        if password is not None:
            flags, payload = flags | 0x40, payload + encode_binary(password)
        device = await self.dial(context)
        device.writer.write(connect("d", Version.V5, flags=flags, payload=payload))
        return await device.packet()

    async def device(self, context: ssl.SSLContext, client_id: str = "d", **more: Any) -> Device:
        """A connected device of MQTT 3.1.1."""
        device = await self.dial(context, **more)
        device.writer.write(connect(client_id, Version.V3_1_1))
        await device.receive(b"\x20\x02\x00\x00")
        return device

    async def stop(self) -> None:
        self.log.is_stalled = False
        self.log.let_go()
        for device in self._devices:
            await device.close()
        await self.gateway.stop()
        self.gateway.stage.failed.cancel()


@contextlib.asynccontextmanager
async def listening(files: TlsFiles, **settings: Any) -> AsyncIterator[Listener]:
    """A listener that runs within the context."""
    log = FakeAppender()
    gateway = Gateway(ListenerSettings(port=0, stop_timeout_s=5, tls=files, **settings), log, stamps=host_stamps())
    await gateway.start()
    listener = Listener(gateway, log)
    try:
        yield listener
    finally:
        await listener.stop()
