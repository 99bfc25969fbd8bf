"""One device's connection: bytes in, messages to the ack batch; acknowledgements and other responses out.

The rules: an error on a connection ends only that connection. Its memory is bounded: one incomplete packet, or the
beginning of a too large one, its will, its topic aliases, the packet identifiers of QoS 2, and acknowledgements that
the device does not read (then the connection is not read either).
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from pipeline.base import metrics
from pipeline.base.errors import MalformedPacket
from pipeline.gateway.listener.admission import Refused
from pipeline.gateway.listener.publishes import Publishes
from pipeline.gateway.mqtt.bulk import take_publishes
from pipeline.gateway.mqtt.codes import REASON_CODE_OF, PacketType, ReasonCode, Version
from pipeline.gateway.mqtt.connect import UnsupportedVersion
from pipeline.gateway.mqtt.decode import Header, decode, header
from pipeline.gateway.mqtt.encode import (
    PINGRESP,
    connack,
    disconnect,
    pubacks,
    pubcomp,
    pubrel_unknown,
    suback_refused,
    unsuback,
)
from pipeline.gateway.mqtt.oversized import OversizedPublish, head_stop
from pipeline.gateway.mqtt.packets import (
    MAX_PACKET_BYTES,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pubrel,
    Stray,
    Subscribe,
    Unsubscribe,
    Will,
)

if TYPE_CHECKING:
    from pipeline.gateway.listener.pending import GivesWay
    from pipeline.gateway.listener.server import Gateway

CONNECT_FIRST_BYTE = 0x10
CLOSE_WITHIN_S = 2.0  # after that a device that does not read its last bytes, or does not close, is aborted

NEW, CONNECTED, CLOSING, CLOSED = range(4)


class Session(asyncio.Protocol):
    """The protocol of one connection. All methods run in the gateway's event loop."""

    __slots__ = (
        "_can_write",
        "_handshake",
        "_is_reading",
        "_max_sent_bytes",
        "_needed",
        "_oversized",
        "_partial",
        "_publishes",
        "_slot",
        "_state",
        "_transport",
        "_turns",
        "_unacknowledged",
        "_version",
        "_will",
        "account",
        "client_id",
        "gateway",
        "known_as",
        "seen",
    )
    _transport: asyncio.Transport
    qos = 1  # of the messages that this object acknowledges

    def __init__(self, gateway: Gateway, handshake: GivesWay | None = None) -> None:
        """`handshake` of TLS: pending until the connection is made."""
        self.account = ""
        self.client_id = ""
        self.known_as = ""  # its own client id, or its host if it has none
        self.seen = gateway.wheel.now  # the turn of its last packet
        self.gateway = gateway
        self._handshake = handshake
        self._state = NEW
        self._version = Version.V3_1_1
        self._partial: bytearray | None = None  # an incomplete packet
        self._needed = 0  # the size at which `_partial` may be complete
        self._oversized: OversizedPublish | None = None  # a packet that is too large
        self._publishes: Publishes | None = None  # made on first use
        self._will: Will | None = None
        self._max_sent_bytes = MAX_PACKET_BYTES
        self._unacknowledged = 0
        self._is_reading = True
        self._can_write = True
        self._turns = 0  # the allowed silence; 0: unlimited
        self._slot = 0

    @property
    def is_connected(self) -> bool:
        """Whether its CONNECT was accepted, and the connection has not ended."""
        return self._state == CONNECTED

    @property
    def name(self) -> str:
        """The name for log lines."""
        peer = self._transport.get_extra_info("peername")
        where = f"{peer[0]}:{peer[1]}" if peer else "a closed connection"
        return f"{self.client_id[:64]!r} at {where}" if self.client_id else where

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A device connected; it has `connect_timeout_s` for its CONNECT."""
        self._transport = cast(asyncio.Transport, transport)
        turns = self.gateway.turns(self.gateway.settings.connect_timeout_s)
        if self._handshake is not None:
            self.gateway.pending.done(self._handshake)
        if self.gateway.joined(self, transport):
            self._slot = self.gateway.wheel.put(self, turns)
        else:
            self._state = CLOSED
            self._transport.abort()

    def give_way(self, limit: str) -> None:
        """End the connection, which has not sent its CONNECT: a new one needs its place."""
        metrics.connections_refused.labels(limit).inc()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes arrived, split anywhere."""
        self.seen = self.gateway.wheel.now
        if self._partial is not None:
            self._partial += data
            if len(self._partial) < self._needed:
                return
            data = bytes(self._partial)
            self._partial = None
        try:
            self._take(data)
        except MalformedPacket as error:
            self.refuse(error)
        if self.gateway.stage.throttle is not None and self._state == CONNECTED:
            self.gateway.hold(self)

    def pause_writing(self) -> None:
        """The device does not read its PUBACKs: so its connection is not read."""
        self._can_write = False
        self.pause()

    def resume_writing(self) -> None:
        """The device reads again."""
        self._can_write = True
        if not self.gateway.is_pressed:
            self.resume()

    def connection_lost(self, _error: Exception | None) -> None:
        """The connection has ended, for whatever reason."""
        if self._state == CONNECTED:
            metrics.connections_ended.labels("lost").inc()
        was_admitted = bool(self.client_id)
        self._state = CLOSED
        self._partial = self._oversized = None
        self.gateway.wheel.remove(self, self._slot)
        self.gateway.left(self, was_admitted=was_admitted)
        self._take_will()

    # --- what the gateway calls ---

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        """Send the acknowledgements of these durable messages, if the device is connected; returns how many."""
        self._unacknowledged -= len(packet_ids)
        return len(packet_ids) if self.send_if_connected(pubacks(packet_ids)) else 0

    def send_if_connected(self, packets: bytes) -> bool:
        """Send these packets, if the device is still connected; returns whether it is."""
        if self._state != CONNECTED:
            return False
        self._transport.write(packets)
        return True

    def owe(self, count: int) -> None:
        """Count unacknowledged messages, against the receive maximum (5: 3.3.4). Raises MalformedPacket."""
        self._unacknowledged += count
        most = self.gateway.settings.receive_maximum
        if self._unacknowledged > most and self._version is Version.V5:
            detail = f"{self._unacknowledged} messages without acknowledgement; {most} are allowed"
            raise MalformedPacket("receive_maximum_exceeded", detail)

    def pause(self) -> None:
        """Stop reading; does nothing if it has stopped."""
        if self._is_reading and self._state in {NEW, CONNECTED}:
            self._is_reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, with a full keep-alive interval, unless the device does not read its PUBACKs, or is held."""
        may_read = self._can_write and not self.gateway.is_holding(self)
        if not self._is_reading and may_read and self._state in {NEW, CONNECTED}:
            self._is_reading = True
            self.seen = self.gateway.wheel.now
            self._transport.resume_reading()

    def on_due(self) -> None:
        """The slot of this connection in the wheel is due: check whether it was silent for too long."""
        if self._state == CLOSING:
            self._transport.abort()
            return
        if self._state == NEW:
            self._count_ended("connect_timeout", "no CONNECT in time")
            self._close()
            return
        if self.gateway.is_pressed or self.gateway.is_holding(self):  # it is not read, so its packets are not seen
            self.seen = self.gateway.wheel.now
        left = self._turns - (self.gateway.wheel.now - self.seen)
        if left > 0:
            self._slot = self.gateway.wheel.put(self, left)
        else:
            self.end("keep_alive", ReasonCode.KEEP_ALIVE_TIMEOUT, "silent for 1.5 times its keep-alive")

    def end(self, reason: str, code: ReasonCode, detail: str) -> None:
        """End the connection from our side; its will, if any, is published."""
        self._count_ended(reason, detail)
        self._say_goodbye(code, detail)

    def abort(self) -> None:
        """Abort the connection; unsent bytes are lost."""
        self._transport.abort()

    def shut_down(self) -> None:
        """End the connection because the gateway stops: no will is published, because the device did not fail."""
        self._will = None
        self._say_goodbye(ReasonCode.SERVER_SHUTTING_DOWN, "")

    # --- packets ---

    def _take(self, data: bytes) -> None:
        """Process all complete packets of `data`, and keep the rest."""
        at = 0 if self._oversized is None else self._skip(self._oversized, data, 0)
        while at < len(data):
            if self._state == CONNECTED:
                at = self._take_publishes(data, at)
                if at == len(data):
                    return
            elif self._state != NEW:
                return
            elif data[at] != CONNECT_FIRST_BYTE:
                self._on_another_protocol(data)
                return
            found = header(data, at, self.gateway.settings.max_packet_bytes)
            is_large = found is not None and found.stop - at > self.gateway.settings.max_packet_bytes
            stop = 0 if found is None else head_stop(found, at) if is_large else found.stop
            if found is None or stop > len(data):
                self._partial = bytearray(data[at:])
                self._needed = stop - at
                return
            if is_large:
                stop = self._skip(OversizedPublish(data, found, at), data, stop)
            elif found.first >> 4 == PacketType.PUBLISH:
                self._take_publish(data, found)
            else:
                self._on_packet(decode(data, found, self._version, self.gateway.names))
            at = stop

    def _on_another_protocol(self, data: bytes) -> None:
        """HTTP begins with a letter, and may become a WebSocket. Raises MalformedPacket for anything else."""
        if 65 <= data[0] <= 90 and self._transport.get_extra_info("websocket") is None:
            from pipeline.gateway.listener.websocket import WebSocket  # noqa: PLC0415  wsproto is for who needs it

            websocket = WebSocket(self, self._transport, is_open=self.gateway.is_open)
            self._transport.set_protocol(websocket)
            self._transport = websocket
            websocket.data_received(data)
            return
        hint = "; it speaks TLS, and this listener has no certificate" if data.startswith(b"\x16\x03") else ""
        raise MalformedPacket("not_connect", f"{data[:16]!r} where a connection begins with CONNECT{hint}")

    def _skip(self, oversized: OversizedPublish, data: bytes, at: int) -> int:
        """Skip the part of a too large packet that begins at `at`; returns the position after it."""
        at = oversized.take(data, at)
        self._oversized = None if oversized.is_through else oversized
        if oversized.is_through and self._state == CONNECTED:
            self._rare().take_head(oversized)
        return at

    def _take_publish(self, data: bytes, found: Header) -> None:
        """Process one PUBLISH that is not ordinary."""
        if self._state == CONNECTED:
            self._rare().take(data, found)

    def _rare(self) -> Publishes:
        if self._publishes is None:
            self._publishes = Publishes(self, self._version)
        return self._publishes

    def _take_publishes(self, data: bytes, at: int) -> int:
        """Add the ordinary PUBLISH packets at `at` to ack batches; returns the position after them."""
        stage = self.gateway.stage
        is_v5 = self._version is Version.V5
        while True:
            batch = stage.batch
            payloads = batch.payloads
            before = len(payloads)
            packet_ids: list[bytes] = []
            stop = take_publishes(
                data,
                at,
                self.gateway.names.known,
                batch.mqtt_topics,
                payloads,
                packet_ids,
                is_v5=is_v5,
                limit=stage.room,
            )
            if stop == at:
                return at
            stage.took(self.account, len(payloads) - before, stop - at, self, packet_ids)
            if packet_ids:
                self.owe(len(packet_ids))
            at = stop

    def _on_packet(self, packet: Packet) -> None:
        if isinstance(packet, Connect):
            self._on_connect(packet)
            return
        if self._state != CONNECTED:
            return
        match packet:
            case Pingreq():
                self._send(PINGRESP)
            case Disconnect():
                self._on_disconnect(packet)
            case Subscribe(packet_id, filters):
                metrics.connections_refused.labels("subscribe").inc()
                self._send(suback_refused(self._version, packet_id, len(filters)))
            case Unsubscribe(packet_id, filters):
                self._send(unsuback(self._version, packet_id, len(filters)))
            case Pubrel(packet_id):
                self._on_pubrel(packet_id)
            case Stray(kind, packet_id):
                metrics.connections_refused.labels("stray").inc()
                if kind is PacketType.PUBREC:
                    self._send(pubrel_unknown(self._version, packet_id))

    def _on_connect(self, connect: Connect) -> None:
        if self._state == CONNECTED:
            raise MalformedPacket("protocol_error", "a second CONNECT on one connection")
        self._version, self._max_sent_bytes = connect.version, connect.max_packet_bytes
        answer = self.gateway.admit(connect, self._transport)
        if isinstance(answer, Refused):
            metrics.connections_refused.labels(answer.reason).inc()
            if answer.reason != "busy":
                self.gateway.warnings.warn(f"refused, {answer.reason}", f"{self.name}: {answer.detail}")
            self._send(answer.connack)
            self._close()
            return
        self.account, self.client_id = answer.account, answer.client_id
        self.known_as = connect.client_id or str((self._transport.get_extra_info("peername") or ("",))[0])
        self._will = connect.will
        self._state = CONNECTED
        self.gateway.wheel.remove(self, self._slot)
        if connect.keep_alive_s:
            self._turns = self.gateway.turns(connect.keep_alive_s * 1.5)  # 3.1.2.10
            self._slot = self.gateway.wheel.put(self, self._turns)
        else:  # then only TCP can detect that it is gone
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.gateway.admitted(self)
        self._send(answer.connack)

    def _on_pubrel(self, packet_id: int) -> None:
        is_known = self._publishes is not None and self._publishes.release(packet_id.to_bytes(2, "big"))
        if is_known:
            self._unacknowledged -= 1
        self._send(pubcomp(self._version, packet_id, is_known=is_known))

    def _on_disconnect(self, packet: Disconnect) -> None:
        if packet.reason_code != ReasonCode.DISCONNECT_WITH_WILL:  # 3.1.2.5
            self._will = None
        self._close()
        self._transport.close()  # after DISCONNECT nothing follows

    # --- endings ---

    def refuse_http(self, detail: str) -> None:
        """An HTTP request was answered; it is not an MQTT connection."""
        metrics.connections_refused.labels("http").inc()
        self.gateway.warnings.warn("refused, http", f"{self.name}: a request of HTTP was answered: {detail}")
        self._close()

    def refuse(self, error: MalformedPacket) -> None:
        """End the connection because of invalid data."""
        metrics.packets_malformed.labels(error.reason).inc()
        self.gateway.warnings.warn(f"bad packet, {error.reason}", f"{self.name}: {error}")
        code = REASON_CODE_OF.get(error.reason, ReasonCode.MALFORMED_PACKET)
        if self._state == NEW and isinstance(error, UnsupportedVersion):
            version = Version.V5 if error.level > Version.V5 else Version.V3_1_1
            self._transport.write(connack(version, code))
            self._close()
        else:
            self._say_goodbye(code, str(error))

    def _say_goodbye(self, code: ReasonCode, detail: str) -> None:
        if self._state == CONNECTED and self._version is Version.V5:
            packet = disconnect(code, detail)
            self._send(packet if len(packet) <= self._max_sent_bytes else disconnect(code))
        self._close()

    def _send(self, packet: bytes) -> None:
        """Send one packet, unless it is larger than the device accepts (5: 3.1.2.11.4)."""
        if len(packet) <= self._max_sent_bytes:
            self._transport.write(packet)

    def _close(self) -> None:
        """Stop sending, and discard received data until the device has closed too.

        Closing with unread bytes would reset the connection, and the device might lose our last bytes (RFC 1122,
        4.2.2.13).
        """
        if self._state in {CLOSING, CLOSED}:
            return
        self._state = CLOSING
        self._partial = self._oversized = None
        self._take_will()
        wheel = self.gateway.wheel
        wheel.remove(self, self._slot)
        self._slot = wheel.put(self, self.gateway.turns(CLOSE_WITHIN_S))
        if self._transport.is_closing():  # it was lost, and `connection_lost` follows
            return
        if not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()
        try:
            self._transport.write_eof()
        except NotImplementedError:  # TLS has no half-close; its close sends everything, and waits for the device
            self._transport.close()
        except OSError:  # the device has reset it, which the loop has not noticed yet
            self._transport.abort()

    def _take_will(self) -> None:
        """Publish the will, once, after all messages of the device itself."""
        if self._will is not None:
            self.gateway.take_will(self, self._will)
            self._will = None

    def _count_ended(self, reason: str, detail: str) -> None:
        metrics.connections_ended.labels(reason).inc()
        self.gateway.warnings.warn(f"ended, {reason}", f"{self.name}: {detail}")
