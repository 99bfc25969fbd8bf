"""An MQTT server for tests and measurements: receives publishes, acknowledges them, and records them on request.

It implements only the part of MQTT 3.1.1 and 5 that publishers need, has no data on disk, and can misbehave on request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from simulators import packets


@dataclass(frozen=True, slots=True)
class Published:
    """A PUBLISH as received."""

    client_id: str
    mqtt_topic: str
    payload: bytes
    qos: int
    is_duplicate: bool


@dataclass(slots=True)
class Behaviour:
    """How the server responds; may be changed while it runs.

    connack           everything after the two bytes of the fixed header, for 3.1.1
    connack_5         the same for MQTT 5; the default grants a receive maximum of 100
    acknowledges      whether PUBLISH is acknowledged
    puback_code       reason code of PUBACKs in MQTT 5
    puback_reversed   whether packets that arrived together are acknowledged in reverse order
    """

    connack: bytes = b"\x00\x00"
    connack_5: bytes = b"\x00\x00\x03\x21\x00\x64"
    acknowledges: bool = True
    puback_code: int = 0
    puback_reversed: bool = False


@dataclass(slots=True)
class TinyServer:
    """Listens on a free loopback port within `async with`."""

    remembers: bool = True
    behaviour: Behaviour = field(default_factory=Behaviour)
    published: list[Published] = field(default_factory=list)
    connects: list[bytes] = field(default_factory=list)  # bodies of CONNECT packets
    most_unacknowledged: int = 0  # the maximum of one connection
    pings: int = 0
    port: int = 0
    sessions: set[_Session] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def listen(self) -> None:
        """Listen; after `stop` on the same port as before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Stop listening and close every connection, like a kill."""
        if self._server is not None:
            self._server.close()
        for session in tuple(self.sessions):
            session.cut()


class _Session(asyncio.Protocol):
    """One connection, as the server sees it."""

    def __init__(self, server: TinyServer) -> None:
        self._server = server
        self._received = b""
        self._client_id = ""
        self._level = 4
        self._unacknowledged = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register with the server."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is not a subclass of asyncio's
        self._server.sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # asyncio's signature
        """Unregister from the server."""
        self._server.sessions.discard(self)

    def cut(self) -> None:
        """Close without a DISCONNECT."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Respond to every complete packet."""
        self._received = received = self._received + data if self._received else data
        start, out = 0, []
        while len(received) - start >= 2 and (found := packets.next_packet(received, start)):
            first, body, start = found
            kind = first & 0xF0
            if kind == packets.PUBLISH:
                out.append(self._publish(first, received, body, start))
            elif kind == packets.CONNECT:
                out.append(self._connect(received[body:start]))
            elif kind == packets.PINGREQ_PACKET[0]:
                self._server.pings += 1
                out.append(bytes((packets.PINGRESP, 0)))
        self._received = received[start:]
        assert self._transport is not None
        if self._server.behaviour.puback_reversed:
            out.reverse()
        if answer := b"".join(out):
            self._transport.write(answer)

    def _connect(self, body: bytes) -> bytes:
        self._server.connects.append(body)
        self._level = body[6]
        start = 10 + (self._level == 5)
        self._client_id = body[start + 2 : start + 2 + int.from_bytes(body[start : start + 2], "big")].decode()
        answer = self._server.behaviour.connack_5 if self._level == 5 else self._server.behaviour.connack
        return bytes((packets.CONNACK, len(answer))) + answer

    def _publish(self, first: int, data: bytes, start: int, end: int) -> bytes:
        qos = first >> 1 & 3
        topic_end = start + 2 + (data[start] << 8 | data[start + 1])
        packet_id = data[topic_end : topic_end + 2] if qos else b""
        server = self._server
        if server.remembers:
            payload = data[topic_end + len(packet_id) + (self._level == 5) : end]
            topic = data[start + 2 : topic_end].decode()
            server.published.append(Published(self._client_id, topic, payload, qos, bool(first & packets.DUP)))
        if not qos:
            return b""
        if not server.behaviour.acknowledges:
            self._unacknowledged += 1
            server.most_unacknowledged = max(server.most_unacknowledged, self._unacknowledged)
            return b""
        if code := server.behaviour.puback_code:
            return bytes((packets.PUBACK, 3)) + packet_id + bytes((code,))
        return bytes((packets.PUBACK, 2)) + packet_id
