"""One MQTT connection that publishes: pre-encoded packets out, PUBACKs counted in bulk.

QoS 1 as in the standard: messages that were written and not acknowledged stay in flight, and after a reconnect they are
written again, marked DUP, before new ones. At most `window` messages are in flight (in MQTT 5 no more than the server's
Receive Maximum). The publisher decides when to reconnect.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from simulators import packets
from simulators.errors import BrokerRefused, BrokerUnreachable

Message: TypeAlias = tuple[bytes, bytes]
"""An MQTT topic, with its length before it, and a payload."""


@dataclass(frozen=True, slots=True)
class Session:
    """How to connect and publish; the same for all connections of a publisher."""

    qos: int = 1
    level: int = 4  # of the protocol: 4 is MQTT 3.1.1
    window: int = 1000
    keep_alive_s: int = 60
    username: str | None = None
    password: str | None = None


@dataclass(slots=True)
class Counts:
    """The results of the messages of all connections of a publisher.

    offered       passed in by the caller
    sent          written to a socket at least once
    acknowledged  PUBACK received (QoS 1)
    refused       PUBACK with a failure received (MQTT 5, reason code ≥ 0x80)
    resent        written again after a reconnect
    reconnects    connections opened again after they were lost
    """

    offered: int = 0
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    resent: int = 0
    reconnects: int = 0


class Connection(asyncio.Protocol):
    """The client side of one connection; may be opened again after it was lost."""

    def __init__(
        self,
        client_id: str,
        session: Session,
        counts: Counts,
        *,
        on_lost: Callable[[], None],
        on_progress: Callable[[], None],
    ) -> None:
        self.client_id = client_id
        self.opened: asyncio.Future[None] | None = None  # done when a CONNACK accepts; created by the publisher
        self.closed = asyncio.Event()  # there is no socket
        self.closed.set()
        self.last_write_s = 0.0
        self.is_ready = False
        self._session, self._counts = session, counts
        self._on_lost, self._on_progress = on_lost, on_progress
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._is_paused = False
        self._window = session.window
        self._properties = b"\x00" if session.level == 5 else b""
        self._received = bytearray()
        self._packet_id = 0
        self._waiting: deque[Message] = deque()
        self._in_flight: dict[int, bytes] = {}
        self._again: deque[tuple[int, bytes]] = deque()
        self._pings = 0

    @property
    def unfinished(self) -> int:
        """Messages that wait, or are neither acknowledged nor refused."""
        return len(self._waiting) + len(self._in_flight) + len(self._again)

    def offer(self, messages: Iterable[Message]) -> None:
        """Publish these as soon as window and socket allow.

        Never blocks; the publisher limits the number of waiting messages.
        """
        self._waiting.extend(messages)
        self._write_on()

    def ping_if_quiet(self, now_s: float) -> None:
        """Keep the connection alive; abort it if pings are not answered. Called each quarter of the keep-alive."""
        if not self.is_ready or self._transport is None:
            return
        if self._pings > 3:
            self._transport.abort()
        elif self._pings or now_s - self.last_write_s > self._session.keep_alive_s / 2:
            self._pings += 1
            self._transport.write(packets.PINGREQ_PACKET)

    def close(self) -> None:
        """Send DISCONNECT and close after written data has been sent."""
        if self._transport is not None:
            if self.is_ready:
                self._transport.write(packets.DISCONNECT_PACKET)
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        self.closed.clear()
        self._transport = transport  # type: ignore[assignment]  # uvloop's TCPTransport is no asyncio.Transport
        self._is_paused, self._pings = False, 0
        self._received.clear()
        session = self._session
        self._write(
            packets.connect(
                self.client_id,
                level=session.level,
                keep_alive_s=session.keep_alive_s,
                username=session.username,
                password=session.password,
            )
        )

    def data_received(self, data: bytes) -> None:
        """Count PUBACKs in bulk if there is nothing else; otherwise process packets one by one."""
        if not self._received and self.is_ready and (ids := packets.bulk_puback_ids(data)) is not None:
            self._acknowledge(ids)
            return
        self._received += data
        try:
            self._take_packets()
        except (ValueError, StopIteration) as error:
            self._fail(BrokerUnreachable(f"{error or 'the server sent a malformed packet'}; is it an MQTT server?"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep in-flight messages for the next connection."""
        was_ready = self.is_ready
        self.is_ready, self._transport = False, None
        self.closed.set()
        self._again.extendleft(reversed(self._in_flight.items()))
        self._in_flight.clear()
        if self.opened is not None and not self.opened.done():
            reason = str(exc) if exc else "it closed the connection without an answer"
            self.opened.set_exception(BrokerUnreachable(f"the server did not answer CONNECT: {reason}"))
        elif was_ready:
            self._on_lost()
        self._on_progress()

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The socket's buffer has room."""
        self._is_paused = False
        self._write_on()
        self._on_progress()

    # Out.

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self.last_write_s = self._loop.time()
        self._transport.write(data)

    def _write_on(self) -> None:
        """Write as many waiting messages as window and socket allow, in one call."""
        if not self.is_ready or self._is_paused or not (self._waiting or self._again):
            return
        if self._session.qos == 0:
            properties = self._properties
            out = [packets.publish(topic, b"", body, qos=0, properties=properties) for topic, body in self._waiting]
            self._waiting.clear()
            self._counts.sent += len(out)
        else:
            out = self._take_again() + self._take_new()
        if out:
            self._write(b"".join(out))

    def _take_again(self) -> list[bytes]:
        out: list[bytes] = []
        while self._again and len(self._in_flight) < self._window:
            packet_id, packet = self._again.popleft()
            self._in_flight[packet_id] = packet
            out.append(packets.duplicate(packet))
        self._counts.resent += len(out)
        return out

    def _take_new(self) -> list[bytes]:
        out: list[bytes] = []
        in_flight, waiting, properties = self._in_flight, self._waiting, self._properties
        packet_id = self._packet_id
        for _ in range(min(len(waiting), self._window - len(in_flight))):
            topic, payload = waiting.popleft()
            packet_id = packet_id % packets.MAX_PACKET_ID + 1
            while packet_id in in_flight:
                packet_id = packet_id % packets.MAX_PACKET_ID + 1
            packet = packets.publish(topic, packet_id.to_bytes(2, "big"), payload, qos=1, properties=properties)
            in_flight[packet_id] = packet
            out.append(packet)
        self._packet_id = packet_id
        self._counts.sent += len(out)
        return out

    # In.

    def _acknowledge(self, ids: Iterable[int]) -> None:
        in_flight, known = self._in_flight, 0
        for packet_id in ids:
            known += in_flight.pop(packet_id, None) is not None
        self._counts.acknowledged += known
        self._write_on()
        self._on_progress()

    def _take_packets(self) -> None:
        if not self.is_ready and self._received[0] != packets.CONNACK:
            raise ValueError("the server does not answer CONNECT with CONNACK")
        start = 0
        while len(self._received) - start >= 2:
            found = packets.next_packet(self._received, start)
            if found is None:
                break
            kind, body, start = found
            self._take(kind & 0xF0, bytes(self._received[body:start]))
        del self._received[:start]

    def _take(self, kind: int, body: bytes) -> None:
        if kind == packets.CONNACK:
            self._take_connack(packets.decode_connack(body, self._session.level))
        elif kind == packets.PUBACK:
            packet_id = int.from_bytes(body[:2], "big")
            if len(body) > 2 and body[2] >= 0x80:
                self._counts.refused += self._in_flight.pop(packet_id, None) is not None
                self._acknowledge(())
            else:
                self._acknowledge((packet_id,))
        elif kind == packets.PINGRESP:
            self._pings = 0
        elif kind != packets.DISCONNECT:  # the server closes after it, and the publisher reconnects
            raise ValueError(f"the server sent a packet of the unexpected kind 0x{kind:02x}")

    def _take_connack(self, connack: packets.Connack) -> None:
        if connack.code:
            meaning, is_passing = packets.REFUSALS.get(connack.code, ("an unknown refusal", False))
            message = f"the server refused the connection: {meaning} (code {connack.code})"
            self._fail(BrokerUnreachable(message) if is_passing else BrokerRefused(message))
            return
        if connack.maximum_qos < self._session.qos:
            self._fail(BrokerRefused("the server takes QoS 0 only; use --qos 0"))
            return
        self._window = min(self._session.window, connack.receive_maximum)
        self.is_ready = True
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(None)
        self._write_on()

    def _fail(self, error: Exception) -> None:
        if self.opened is not None and not self.opened.done():
            self.opened.set_exception(error)
        if self._transport is not None:
            self._transport.abort()
