"""Checks whether a configured broker can be used as configured, and names the remedy if not.

It really connects, with a temporary client id: name, TCP, TLS, CONNECT with our credentials, and a SUBSCRIBE with QoS
0, which ends at once. The group is left out, because a member of it would take messages from the gateways.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.base.errors import ConfigError, MalformedPacket
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers import trouble
from pipeline.gateway.brokers.dial import dial
from pipeline.gateway.brokers.session import Session
from pipeline.gateway.brokers.trouble import Kind, Trouble
from pipeline.gateway.brokers.wire import Wire
from pipeline.gateway.mqtt.codes import PacketType
from pipeline.gateway.mqtt.decode import header
from pipeline.gateway.mqtt.packets import MAX_PACKET_BYTES

ANSWER_TIMEOUT_S = 5.0  # for the CONNACK, and for the SUBACK


@dataclass(frozen=True, slots=True)
class Reachability:
    """The result. `troubles` is empty if all is well."""

    broker: str  # host:port
    troubles: tuple[Trouble, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether a gateway would receive the broker's messages."""
        return not self.troubles


def check_broker(broker: Broker) -> Reachability:
    """Check `broker`; blocks for at most about 20 s. In an event loop use `reach`."""
    return asyncio.run(reach(broker))


async def reach(broker: Broker) -> Reachability:
    """Check `broker`; takes at most about 20 s."""
    try:
        connection = await dial(broker)
    except OSError as error:
        return Reachability(broker.label, (trouble.of_error(error, broker.label),))
    except ConfigError as error:
        return Reachability(broker.label, (Trouble(Kind.TLS, str(error), "correct the file"),))
    look = _Look(broker, partial(Wire, connection))
    try:
        return Reachability(broker.label, await look.run())
    finally:
        look.close()


class _Look:
    """A connection for this check."""

    def __init__(self, broker: Broker, wire: partial[Wire]) -> None:
        self._broker = broker
        self._wire = wire(self._on_data, self._on_error)
        self._session = Session(broker, f"streamgauge-{secrets.token_hex(4)}", self._wire, is_clean=True)
        self._session.on_connect = self._on_connect
        self._session.on_subscribe = self._on_subscribe
        self._session.on_disconnect = self._on_disconnect
        self._partial = b""
        self._answer: asyncio.Future[tuple[Trouble, ...]] = asyncio.get_running_loop().create_future()

    async def run(self) -> tuple[Trouble, ...]:
        self._session.begin()
        self._wire.resume()
        try:
            async with asyncio.timeout(2 * ANSWER_TIMEOUT_S):
                return await self._answer
        except TimeoutError:
            what = f"{self._broker.label} accepts the connection and does not answer"
            return (Trouble(Kind.TIMEOUT, what, "check that it is an MQTT broker, and that it works"),)

    def close(self) -> None:
        self._wire.send(bytes((PacketType.DISCONNECT << 4, 0)))
        self._wire.close()

    def _tell(self, *troubles: Trouble) -> None:
        if not self._answer.done():
            self._answer.set_result(troubles)

    def _on_data(self, data: bytes) -> None:
        if not data:
            self._tell(trouble.unanswered(self._broker.label, is_secure=self._broker.url.is_secure))
            self._wire.close()
            return
        self._partial += data
        try:
            while (found := header(self._partial, 0, MAX_PACKET_BYTES)) and found.stop <= len(self._partial):
                packet, self._partial = self._partial[: found.stop], self._partial[found.stop :]
                if found.first >> 4 != PacketType.PUBLISH:  # of QoS 0: no response is expected
                    self._session.read_packet(packet)
        except MalformedPacket as error:
            self._tell(Trouble(Kind.BAD_PACKET, f"{self._broker.label} does not speak MQTT: {error}"))

    def _on_error(self, error: OSError) -> None:
        found = trouble.of_error(error, self._broker.label)
        if found.kind is Kind.LOST:
            found = trouble.unanswered(self._broker.label, is_secure=self._broker.url.is_secure)
        self._tell(found)

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            where = f"{self._broker.label} refuses the connection"
            self._tell(trouble.of_reason(reason.value, str(reason), during=where))
        elif self._broker.group is not None and getattr(properties, "SharedSubscriptionAvailable", 1) == 0:
            where = f"{self._broker.label} refuses the group {self._broker.group!r}"
            self._tell(trouble.of_reason(0x9E, "Shared subscriptions not supported", during=where))
        else:
            self._session.subscribe_to(self._broker.topics)

    def _on_subscribe(
        self, _client: Client, _data: Any, _id: int, reasons: Sequence[ReasonCode], _properties: Properties | None
    ) -> None:
        where = f"{self._broker.label} refuses the subscription to"
        self._tell(
            *(
                trouble.of_reason(reason.value, str(reason), during=f"{where} {topic!r}")
                for topic, reason in zip(self._broker.topics, reasons, strict=False)
                if reason.is_failure
            )
        )

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._tell(trouble.of_reason(reason.value, str(reason), during=f"{self._broker.label} ends the connection"))
