"""A gateway that subscribes, with a fake log, and a device that publishes to a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from pipeline.base.arrival import host_stamps
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers.brokers import Brokers
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.listener.server import Gateway
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.mqtt_to_readings import BatchSettings
from pipeline.log.dead_letter import Rejection, decode_rejection
from pipeline.log.frame import Frame, FrameKind, decode_frame
from pipeline.log.testing import FakeAppender
from tests.support.paho_clients import disconnect

WITHIN_S = 60.0


async def until(is_so: Callable[[], object]) -> None:
    """Poll until the condition is true; fail the test if that takes too long."""
    async with asyncio.timeout(WITHIN_S):
        while not is_so():  # noqa: ASYNC110  what is waited for is also in other processes
            await asyncio.sleep(0.01)


class Intake:
    """The messages that the gateway received."""

    def __init__(self, gateway: Gateway, brokers: Brokers, log: FakeAppender, identity: Identity) -> None:
        self.identity = identity
        self.gateway = gateway
        self.brokers = brokers
        self.log = log
        self._is_stopped = False

    @property
    def frames(self) -> list[Frame]:
        return [decode_frame(value) for _, value in self.log.appended]

    @property
    def rejected(self) -> list[Rejection]:
        """The messages that became dead letters at once."""
        return [
            decode_rejection(payload)
            for frame in self.frames
            if frame.kind is FrameKind.REJECTED
            for payload in frame.payloads
        ]

    @property
    def messages(self) -> list[tuple[str, str, bytes]]:
        """(account, MQTT topic, payload) of all readings in the log."""
        frames = [frame for frame in self.frames if frame.kind is FrameKind.MQTT]
        return [
            message
            for frame in frames
            for message in zip(frame.accounts, frame.mqtt_topics, frame.payloads, strict=True)
        ]

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload in self.messages]

    async def has(self, payloads: Iterable[bytes]) -> None:
        """Wait until these are in the log."""
        wanted = set(payloads)
        try:
            await until(lambda: wanted <= set(self.payloads))
        except TimeoutError:
            missing = sorted(wanted - set(self.payloads))
            raise AssertionError(f"{len(missing)} of {len(wanted)} did not arrive: {missing[:5]}") from None

    async def stop(self) -> None:
        """Stop it normally, as `serve` does."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self.log.is_stalled = self.log.is_full = False
        self.log.let_go()
        self.brokers.stop_reading()
        await self.gateway.stop()
        await self.brokers.stop()
        self.identity.release()
        self.gateway.stage.failed.cancel()


async def start_intake(folder: Path, *brokers: dict[str, Any] | Broker, **batch: Any) -> Intake:
    """A gateway that subscribes to `brokers`; `folder` contains its identity, `batch` are settings of batches."""
    log = FakeAppender()
    settings = replace(ListenerSettings(port=0, stop_timeout_s=5), batch=replace(BatchSettings(), **batch))
    gateway = Gateway(settings, log, stamps=host_stamps())
    entries = [broker if isinstance(broker, Broker) else Broker(**broker) for broker in brokers]
    identity = Identity(folder)
    subscriptions = Brokers(entries, identity, gateway.stage, gateway.names)
    gateway.on_pressure.append(subscriptions.on_pressure)
    await gateway.start()
    subscriptions.start()
    return Intake(gateway, subscriptions, log, identity)


Take = Callable[..., Coroutine[Any, Any, Intake]]


class Publisher:
    """One device on paho's own thread. Calling it publishes."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "device", protocol=paho.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = self._on_publish
        self._sent = self._published = 0
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _on_publish(self, *_: Any) -> None:
        self._published += 1

    def send(self, payload: bytes, mqtt_topic: str = "a/b", *, qos: int = 1, **options: Any) -> None:
        """Publish without waiting; after a lost connection, messages without acknowledgement are sent again."""
        self._sent += 1
        self._client.publish(mqtt_topic, payload, qos, **options)

    async def all_acknowledged(self) -> None:
        """Wait until the broker has acknowledged everything."""
        await until(lambda: self._published == self._sent)

    async def __call__(
        self, payloads: Iterable[bytes], mqtt_topic: str = "a/b", *, qos: int = 1, **options: Any
    ) -> None:
        """Publish, and return when the broker has acknowledged."""
        for payload in payloads:
            self.send(payload, mqtt_topic, qos=qos, **options)
        await self.all_acknowledged()

    def close(self) -> None:
        disconnect(self._client)
