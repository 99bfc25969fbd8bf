"""A broker that sends given bytes, for behaviour that no real broker has on demand."""

from __future__ import annotations

import asyncio
from typing import Self

from pipeline.gateway.mqtt.decode import header
from pipeline.gateway.mqtt.fields import encode_varint

WITHIN_S = 60.0
CONNACK = bytes.fromhex("20 03 00 00 00")
CONNACK_WITH_SESSION = bytes.fromhex("20 03 01 00 00")
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


def publish(payload: bytes, *, packet_id: int = 0, qos: int = 1, topic: bytes = b"a/b", flags: int = 0) -> bytes:
    """A PUBLISH of MQTT 5."""
    body = len(topic).to_bytes(2, "big") + topic
    if qos:
        body += packet_id.to_bytes(2, "big")
    body += b"\0" + payload
    return bytes((0x30 | qos << 1 | flags,)) + encode_varint(len(body)) + body


def puback(*packet_ids: int) -> bytes:
    return b"".join(b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids)


class Scripted:
    """Listens on loopback; `accept` returns the next connection of a gateway."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Connection] = asyncio.Queue()
        self._taken: list[Connection] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._on_connection, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self._taken:
            connection.writer.close()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self._taken.append(connection)
        self._waiting.put_nowait(connection)

    async def accept(self, connack: bytes = CONNACK, granted: bytes | None = b"\x01") -> Connection:
        """Answer the next connection with `connack`, and its SUBSCRIBE with `granted` (None: do not wait for one)."""
        async with asyncio.timeout(WITHIN_S):
            connection = await self._waiting.get()
        connection.connect = await connection.packet()
        assert connection.connect[0] == 0x10
        connection.send(connack)
        if connack[3] == 0 and granted is not None:
            subscribe = await connection.packet()
            assert subscribe[0] == 0x82
            connection.send(bytes((0x90, 3 + len(granted))) + subscribe[2:4] + b"\x00" + granted)
        return connection


class Connection:
    """One connection of a gateway."""

    connect = b""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def packet(self) -> bytes:
        """The next packet."""
        data = b""
        async with asyncio.timeout(WITHIN_S):
            while (found := header(data, 0, 1 << 28)) is None:
                data += await self.reader.readexactly(1)
            return data + await self.reader.readexactly(found.stop - len(data))

    async def receive(self, expected: bytes) -> None:
        """Check that these are the next bytes."""
        async with asyncio.timeout(WITHIN_S):
            assert await self.reader.readexactly(len(expected)) == expected

    async def rest(self) -> bytes:
        """The bytes until the gateway closes."""
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.read()

    def cut(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()
