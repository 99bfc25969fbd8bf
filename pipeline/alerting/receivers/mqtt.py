"""Receivers on a broker of `brokers`: each delivery is a connection, one PUBLISH of QoS 1, and its PUBACK.

Alerts are rare, so a connection for each costs nothing that matters, and there is none that could be lost unnoticed.
paho blocks, so an attempt runs in a thread.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pipeline.alerting.archive.delivery import Delivery
from pipeline.alerting.receivers.notifier import Notice, Request
from pipeline.alerting.receivers.payload import Payload, payload_of
from pipeline.alerting.receivers.retry_policy import Accepted, Attempt
from pipeline.alerting.receivers.text import values_of
from pipeline.base.errors import ConfigError
from pipeline.base.mustache import render
from pipeline.config.broker_tls import broker_context
from pipeline.config.brokers import Broker
from pipeline.config.receivers import Mqtt, Receiver

TIMEOUT_S = 10.0  # for the connection, and for the PUBACK
CONCURRENT = 4
_NOT_IN_TOPICS = str.maketrans("+#\0", "___")


class MqttNotifier:
    """Publishes to one broker."""

    def __init__(self, receiver: Receiver, mqtt: Mqtt, broker: Broker) -> None:
        self._receiver = receiver
        self._mqtt = mqtt
        self._broker = broker
        self._threads = ThreadPoolExecutor(CONCURRENT, thread_name_prefix="alerts by mqtt")

    async def attempt(self, delivery: Delivery) -> Attempt | Accepted:
        """See Notifier."""
        return await self._attempt(self._topic(delivery), payload_of(self._receiver, delivery.content))

    async def tell(self, notice: Notice) -> Attempt | Accepted:
        """See Notifier."""
        values = {"receiver": self._receiver.name, **notice.attributes}
        return await self._attempt(self._rendered(values), Payload(notice.body, notice.content_type, notice.title))

    async def _attempt(self, topic: str, payload: Payload) -> Attempt | Accepted:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(3 * TIMEOUT_S):
                await loop.run_in_executor(self._threads, self._publish, topic, payload)
        except TimeoutError:
            return Attempt(None, {}, f"{self._broker.label} did not answer within {TIMEOUT_S:g} s")
        except (OSError, ValueError, ConfigError, _Refused) as error:
            return Attempt(None, {}, f"{self._broker.label}: {error}")
        return Accepted(f"{self._broker.label} has acknowledged it on {topic}")

    def request(self, delivery: Delivery) -> Request:
        """See Notifier."""
        payload = payload_of(self._receiver, delivery.content)
        headers = {"retain": str(self._mqtt.retain).lower(), "qos": "1", "content-type": payload.content_type}
        return Request(f"PUBLISH {self._broker.label} {self._topic(delivery)}", headers, payload.body.decode())

    async def trouble(self) -> str | None:
        """See Notifier: what is wrong with a broker, the gateway tells."""
        return None

    async def close(self) -> None:
        """See Notifier."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _topic(self, delivery: Delivery) -> str:
        return self._rendered(values_of(self._receiver.name, delivery.content))

    def _rendered(self, values: Mapping[str, Any]) -> str:
        return render(self._mqtt.topic, values, lambda text: text.translate(_NOT_IN_TOPICS))

    def _publish(self, topic: str, payload: Payload) -> None:
        """Publish, and wait for the PUBACK."""
        broker = self._broker
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5 if broker.version == "5" else MQTTv311)
        answered = threading.Event()
        refused: list[str] = []

        def on_connect(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                refused.append(f"the connection is refused: {reason}")
            answered.set()

        client.on_connect = on_connect
        username, password = broker.credentials
        if username is not None:
            client.username_pw_set(username, password)
        if broker.url.is_secure:
            context: ssl.SSLContext = broker_context(broker.tls)
            client.tls_set_context(context)
        client.connect_timeout = TIMEOUT_S
        client.connect(broker.url.address.host, broker.url.address.port)
        client.loop_start()
        try:
            if not answered.wait(TIMEOUT_S):
                raise TimeoutError
            if refused:
                raise _Refused(refused[0])
            sent = client.publish(topic, payload.body, 1, self._mqtt.retain, _properties(broker, payload))
            sent.wait_for_publish(TIMEOUT_S)
            if not sent.is_published():
                raise TimeoutError
        finally:
            client.disconnect()
            client.loop_stop()


class _Refused(Exception):
    """The broker refused the connection; the message says why."""


def _properties(broker: Broker, payload: Payload) -> Properties | None:
    if broker.version != "5":
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
    properties.ContentType = payload.content_type
    return properties
