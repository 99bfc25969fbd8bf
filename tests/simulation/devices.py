"""Devices on a simulated network: they publish, wait for acknowledgements, and send again what has none.

A device keeps what it published until it is acknowledged, also over connections, and sends it in order. What it sends
is cut and delayed by the network, and a connection may break at any moment, with everything on its way. Most readings
have a time; some are late, some correct or complete an earlier reading, some cannot be read at all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.gateway.mqtt.codes import Version
from tests.support.mqtt_packets import connect, packet, publish

if TYPE_CHECKING:
    from tests.simulation.processes import GatewayProcess
    from tests.simulation.world import World

MS = 1_000_000
IDS = 6  # packet identifiers of a device: few, so that they are soon used again
CONNACK, PUBACK, PUBREC, PUBCOMP = 2, 4, 5, 7
DUP = 0x08
VALUES = (14.0, 15.5, 15.5, 16.0, 17.25, 18.0, 18.5, 19.0, 3.0, 40.0, 41.5)  # the last three are alerts


@dataclass(eq=False, slots=True)
class Sent:
    """A message of a device. `connections`: those on which it was published, by number, once for each time."""

    device: str
    number: int
    mqtt_topic: str
    payload: bytes
    qos: int
    connections: list[int] = field(default_factory=list)
    is_acknowledged: bool = False


class Wire(asyncio.Transport):
    """The gateway's end of a connection, and the network in between."""

    def __init__(self, device: Device, gateway: GatewayProcess, rng: random.Random) -> None:
        super().__init__()
        self.is_up = True
        self._device = device
        self._gateway = gateway
        self._loop = gateway.world.loop
        self._rng = rng
        self._is_reading = True
        self._held: list[bytes] = []
        self._free_s = [0.0, 0.0]  # when the last bytes to the gateway, and to the device, arrive
        server = self._loop.server
        assert server is not None
        assert server.make is not None
        self._session = gateway.call(server.make)
        gateway.call(self._session.connection_made, self)

    def send(self, data: bytes) -> None:
        """From the device, in pieces."""
        while data:
            size = len(data) if self._rng.random() < 0.6 else self._rng.randint(1, len(data))
            self._later(0, self._to_gateway, data[:size])
            data = data[size:]

    def cut(self) -> None:
        """End the connection now: what is on its way is lost, and both ends learn of it."""
        if self.is_up:
            self.is_up = False
            self._later(0, self._lost)
            self._later(1, self._device.on_lost, self)

    def _later(self, direction: int, call: Callable[..., None], *arguments: Any) -> None:
        at_s = max(self._free_s[direction] + 1e-6, self._loop.time() + self._rng.choice((0.0002, 0.001, 0.02)))
        self._free_s[direction] = at_s
        self._loop.call_at(at_s, call, *arguments, context=Context())

    def _to_gateway(self, data: bytes) -> None:
        self._held.append(data)
        self._deliver()

    def _deliver(self) -> None:
        while self._held and self._is_reading and self.is_up and self._gateway.is_alive:
            self._gateway.call(self._session.data_received, self._held.pop(0))

    def _lost(self) -> None:
        if self._gateway.is_alive:
            self._gateway.call(self._session.connection_lost, None)

    # --- what the session calls ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.0.0.1", 5000) if name == "peername" else default

    def write(self, data: Any) -> None:
        if self.is_up:
            self._later(1, self._device.on_data, self, bytes(data))

    def write_eof(self) -> None:
        self._later(1, self.cut)

    def close(self) -> None:
        self._later(1, self.cut)

    def abort(self) -> None:
        self.cut()

    def is_closing(self) -> bool:
        return not self.is_up

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._later(0, self._deliver)


class Device:
    """One device, with one way of publishing."""

    def __init__(self, world: World, name: str, zone: str, *, is_timed: bool) -> None:
        self.name = name
        self.sent: list[Sent] = []
        self.is_silent = False  # it makes no new readings
        self._world = world
        self._rng = world.rng(f"device {name}")
        self._net = world.rng(f"network of {name}")
        self._is_timed = is_timed
        self._qos = self._rng.choice((0, 1, 1, 1, 2, 2))
        self._mqtt_topic = f"{'site' if is_timed else 'now'}/{zone}/{name}"
        self._every_s = self._rng.choice((0.4, 0.8, 1.2))
        self._waiting: list[Sent] = []  # not on the wire of this connection
        self._under_way: dict[int, Sent] = {}  # by packet identifier, in the order of their PUBLISHes
        self._releasing: set[int] = set()
        self._wire: Wire | None = None
        self._is_connected = False
        self._connections = 0
        self._next_id = 0
        self._received = b""
        self._times: list[int] = []
        self._later(self._rng.random(), self._measure)
        self._later(self._rng.random() / 2, self._connect)

    @property
    def unacknowledged(self) -> int:
        return sum(not each.is_acknowledged for each in self.sent if each.qos)

    def lose_connection(self) -> None:
        if self._wire is not None:
            self._wire.cut()

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._world.loop.call_later(seconds, call, context=Context())

    # --- readings ---

    def _measure(self) -> None:
        if self.is_silent:
            return
        self._later(self._every_s * self._rng.uniform(0.5, 1.5), self._measure)
        for _ in range(self._rng.choice((1, 1, 1, 3))):
            number = len(self.sent)
            qos = self._qos if self._rng.random() < 0.9 else self._rng.randrange(3)
            self._publish_soon(number, qos, self._payload(number))

    def calm_down(self) -> None:
        """Publish one more reading, with which every alert is over."""
        number, body = len(self.sent), {"n": len(self.sent)}
        if self._is_timed:
            time_ms = max(self._times, default=self._world.device_time_ms) + 5000
            body = {**body, "time": time_ms, "v": 16}
        self._publish_soon(number, 1, orjson.dumps(body))

    def _publish_soon(self, number: int, qos: int, payload: bytes) -> None:
        sent = Sent(self.name, number, self._mqtt_topic, payload, qos)
        self.sent.append(sent)
        self._waiting.append(sent)
        self._send()

    def _payload(self, number: int) -> bytes:
        """A reading; `n` tells all apart."""
        rng = self._rng
        if rng.random() < 0.04:
            return b'{"n": %d, "broken' % number
        body: dict[str, Any] = {"n": number}
        if not self._is_timed:
            return orjson.dumps({**body, "level": rng.randrange(100)})
        chosen = rng.random()
        if self._times and chosen < 0.08:  # a correction
            time_ms = rng.choice(self._times[-6:])
        elif self._times and chosen < 0.12:  # late
            time_ms = rng.choice(self._times) - rng.randrange(1, 400)
        else:
            time_ms = (self._times[-1] if self._times else self._world.device_time_ms) + rng.choice((500, 1000, 1000))
            self._times.append(time_ms)
        body["time"] = time_ms
        if rng.random() < 0.9:
            body["v"] = rng.choice(VALUES)
        if rng.random() < 0.3:
            body["w"] = rng.randrange(50)
        return orjson.dumps(body)

    # --- MQTT ---

    def _connect(self) -> None:
        gateway = self._world.gateway
        if self._wire is not None:
            return
        server = self._world.loop.server
        if gateway is None or not gateway.is_alive or server is None or server.make is None:
            self._later(self._net.uniform(0.1, 0.6), self._connect)
            return
        self._connections += 1
        self._received = b""
        self._wire = Wire(self, gateway, self._net)
        self._wire.send(connect(self.name, Version.V3_1_1))

    def on_lost(self, wire: Wire) -> None:
        """What is not acknowledged is sent again, in order, on the next connection."""
        if wire is not self._wire:
            return
        for packet_id in self._releasing:  # its PUBREC came: it is done
            self._under_way.pop(packet_id, None)
        again = [sent for sent in self._under_way.values() if sent.qos]
        self._waiting = again + self._waiting
        self._under_way.clear()
        self._releasing.clear()
        self._wire, self._is_connected = None, False
        self._later(self._net.uniform(0.05, 0.8), self._connect)

    def _send(self) -> None:
        while self._is_connected and self._waiting and len(self._under_way) < IDS // 2:
            sent = self._waiting.pop(0)
            packet_id = 0
            if sent.qos:
                packet_id = self._free_id()
                self._under_way[packet_id] = sent
                if sent.qos == 2:
                    again_s = self._rng.choice((0.005, 0.03, 2.0))
                    self._later(again_s, lambda sent=sent, number=self._connections: self._repeat(sent, number))  # type: ignore[misc]
            self._publish(sent, packet_id, is_again=bool(sent.connections))

    def _publish(self, sent: Sent, packet_id: int, *, is_again: bool) -> None:
        sent.connections.append(self._connections)
        assert self._wire is not None
        flags = DUP if is_again and sent.qos else 0
        self._wire.send(publish(sent.mqtt_topic, sent.payload, packet_id=packet_id, qos=sent.qos, flags=flags))

    def _repeat(self, sent: Sent, connection: int) -> None:
        """Some clients send a message again on the same connection if its PUBREC takes long."""
        for packet_id, waiting in self._under_way.items():
            if waiting is sent and packet_id not in self._releasing and connection == self._connections:
                self._publish(sent, packet_id, is_again=True)

    def _free_id(self) -> int:
        while True:
            self._next_id = self._next_id % IDS + 1
            if self._next_id not in self._under_way:
                return self._next_id

    def on_data(self, wire: Wire, data: bytes) -> None:
        if wire is not self._wire or not wire.is_up:
            return
        self._received += data
        while len(self._received) >= 2 and len(self._received) >= (stop := 2 + self._received[1]):  # all are short
            one, self._received = self._received[:stop], self._received[stop:]
            self._on_packet(one[0] >> 4, one[2:])
        self._send()

    def _on_packet(self, kind: int, body: bytes) -> None:
        if kind == CONNACK:
            self._is_connected = body[1] == 0
            if not self._is_connected:
                self.lose_connection()
            return
        packet_id = int.from_bytes(body[:2], "big")
        sent = self._under_way.get(packet_id)
        if kind == PUBACK and sent is not None and sent.qos == 1:
            self._acknowledged(sent)
            del self._under_way[packet_id]
        elif kind == PUBREC and sent is not None and sent.qos == 2:
            if packet_id not in self._releasing:
                self._acknowledged(sent)
            self._releasing.add(packet_id)
            assert self._wire is not None
            self._wire.send(packet(0x62, packet_id.to_bytes(2, "big")))
        elif kind == PUBCOMP and packet_id in self._releasing:
            self._releasing.discard(packet_id)
            self._under_way.pop(packet_id, None)
        elif kind in {PUBACK, PUBREC}:
            self._world.broken(f"{self.name}: an acknowledgement of nothing: {kind} {packet_id}")

    def _acknowledged(self, sent: Sent) -> None:
        ahead = [
            other.number
            for packet_id, other in self._under_way.items()
            if other.qos == sent.qos and packet_id not in self._releasing
        ]
        if ahead[0] != sent.number:
            self._world.broken(f"{self.name}: {sent.number} is acknowledged before {ahead[0]}")
        if (sent.mqtt_topic, sent.payload) not in self._world.durable:
            self._world.broken(f"{self.name}: {sent.number} is acknowledged, and is not in the log")
        sent.is_acknowledged = True
        self._world.note(f"{self.name} {sent.number} acknowledged")
