"""Devices that speak bytes, and a listener with a fake log for them to speak to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

from pipeline.gateway.listener.server import Gateway
from pipeline.gateway.mqtt.codes import Version
from pipeline.log.dead_letter import Rejection, decode_rejection
from pipeline.log.frame import Frame, FrameKind, decode_frame
from pipeline.log.testing import FakeAppender
from pipeline.log.topics import READINGS
from tests.support.mqtt_packets import connect

WITHIN_S = 60.0


async def until(is_so: Callable[[], bool]) -> None:
    """Poll; the test fails if it is not so in time."""
    end_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < end_s, "not so within the time allowed"
        await asyncio.sleep(0.005)


class Device:
    """A connection of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self, expected: bytes) -> None:
        """The next bytes must be these."""
        try:
            async with asyncio.timeout(WITHIN_S):
                got = await self.reader.readexactly(len(expected))
        except asyncio.IncompleteReadError as error:
            got = error.partial
        assert got == expected

    async def packet(self) -> bytes:
        """The next packet, at most 129 bytes long."""
        async with asyncio.timeout(WITHIN_S):
            head = await self.reader.readexactly(2)
            return head + await self.reader.readexactly(head[1])

    async def closed(self) -> bytes:
        """The bytes until the server closes; then the device does."""
        async with asyncio.timeout(WITHIN_S):
            rest = await self.reader.read()
        await self.close()
        return rest

    def abort(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Listener:
    """A gateway, its log, and the devices a test connects to it."""

    def __init__(self, gateway: Gateway, log: FakeAppender) -> None:
        self.gateway = gateway
        self.log = log
        self.port = gateway.port
        self.devices: list[Device] = []

    @property
    def frames(self) -> list[Frame]:
        assert all(topic == READINGS for topic, _ in self.log.appended)
        return [decode_frame(value) for _, value in self.log.appended]

    @property
    def messages(self) -> list[tuple[str, str, bytes]]:
        """(account, MQTT topic, payload) of all readings that are durable."""
        return [
            message
            for frame in self.frames
            if frame.kind is FrameKind.MQTT
            for message in zip(frame.accounts, frame.mqtt_topics, frame.payloads, strict=True)
        ]

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload in self.messages]

    @property
    def rejected(self) -> list[tuple[str, Rejection]]:
        """MQTT topics, and what was rejected there."""
        return [
            (mqtt_topic, decode_rejection(payload))
            for frame in self.frames
            if frame.kind is FrameKind.REJECTED
            for mqtt_topic, payload in zip(frame.mqtt_topics, frame.payloads, strict=True)
        ]

    async def dial(self, buffer_bytes: int | None = None) -> Device:
        """A connection without CONNECT; `buffer_bytes`: of the system's buffers for it, instead of what it likes."""
        connection = socket.socket()
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF) if buffer_bytes is not None else ():
            connection.setsockopt(socket.SOL_SOCKET, buffer, buffer_bytes)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        device = Device(*await asyncio.open_connection(sock=connection))
        self.devices.append(device)
        return device

    async def device(
        self,
        client_id: str = "d",
        version: Version = Version.V3_1_1,
        *,
        buffer_bytes: int | None = None,
        **more: Any,
    ) -> Device:
        """A connected device."""
        device = await self.dial(buffer_bytes)
        device.send(connect(client_id, version, **more))
        answer = await device.packet()
        assert answer[:4] == bytes((0x20, answer[1], 0, 0)), answer
        return device

    def turn(self, times: int) -> None:
        """Let the wheel turn."""
        for _ in range(times):
            self.gateway.turn()


Listen = Callable[..., Coroutine[Any, Any, Listener]]
