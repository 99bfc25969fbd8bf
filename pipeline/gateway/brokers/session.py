"""paho as the control side of one connection: CONNECT, SUBSCRIBE, keep-alive, and their responses.

Each connection has its own client, so there is no state of an older one. It reads complete packets from the `Wire`, and
writes to it; it never sees PUBLISHes. Its own `ack` is not used: it does not distinguish connections, and would send
the PUBACK of an older one with an identifier that now belongs to another message.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from pipeline.config.brokers import Broker
from pipeline.gateway.brokers.wire import Wire

QOS = 1  # of our subscriptions, whatever publishers use: 2 would cost two more packets per message, without a gain


class Session(Client):
    """paho's client on a connected socket. Results are passed to the callbacks of paho's version 2.

    `is_clean` is for a check: a session that ends with its connection, and subscribes with QoS 0.
    """

    def __init__(self, broker: Broker, client_id: str, wire: Wire, *, is_clean: bool = False) -> None:
        is_v5 = broker.version == "5"
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if is_v5 else is_clean,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,  # nor may it fall back to an older version by itself
            manual_ack=True,
        )
        username, password = broker.credentials
        if username is not None:
            self.username_pw_set(username, password)
        self._wire = wire
        self._broker = broker
        self._is_v5 = is_v5
        self._is_clean = is_clean

    def _create_socket(self) -> Wire:
        """Replaces the blocking connect of paho."""
        return self._wire

    def begin(self) -> None:
        """Send the CONNECT: for a persistent session, unless it is a clean one."""
        address = self._broker.url.address
        keep_alive_s = math.ceil(self._broker.keep_alive.total_seconds())
        if self._is_v5:
            self.connect_async(
                address.host,
                address.port,
                keep_alive_s,
                clean_start=self._is_clean,
                properties=_properties(self._broker, is_clean=self._is_clean),
            )
        else:
            self.connect_async(address.host, address.port, keep_alive_s)
        self.reconnect()

    def read_packet(self, packet: bytes) -> None:
        """Pass one complete packet to paho, which writes its response."""
        self._wire.feed(packet)
        rc = self.loop_read()
        if rc == MQTTErrorCode.MQTT_ERR_SUCCESS and self.want_write():
            self.loop_write()

    def subscribe_to(self, filters: Sequence[str], identifier: int | None = None) -> int | None:
        """Send a SUBSCRIBE; returns its packet identifier, which `on_subscribe` gets.

        Messages for these filters will have `identifier` (MQTT 5).
        """
        qos = 0 if self._is_clean else QOS
        if not self._is_v5:
            return self.subscribe([(topic, qos) for topic in filters])[1]
        # Retained messages are sent only for a new subscription, not after every interruption.
        new, never = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB, SubscribeOptions.RETAIN_DO_NOT_SEND
        is_unwanted = self._is_clean or self._broker.retained == "ignore"
        options = SubscribeOptions(qos=qos, retainHandling=never if is_unwanted else new)
        properties = None
        if identifier is not None:
            properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]  # paho's
            properties.SubscriptionIdentifier = identifier
        return self.subscribe([(topic, options) for topic in filters], properties=properties)[1]


def _properties(broker: Broker, *, is_clean: bool) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
    properties.ReceiveMaximum = broker.window
    if not is_clean:
        properties.SessionExpiryInterval = math.ceil(broker.session_expiry.total_seconds())
    return properties
