"""All brokers of one gateway. They share its stage, log and event loop with the listener."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from pipeline.base.errors import ConfigError
from pipeline.config.broker_tls import broker_context
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.brokers.subscriber import Subscriber
from pipeline.gateway.mqtt.topics import TopicNames
from pipeline.gateway.mqtt_to_readings import MqttToReadings

logger = logging.getLogger(__name__)


class Brokers:
    """Call `start`, then `stop_reading` before the stage is drained, and `stop` after it."""

    def __init__(
        self, brokers: Sequence[Broker], identity: Identity | None, stage: MqttToReadings, names: TopicNames
    ) -> None:
        """`identity` is the gateway's, needed if there are brokers. Raises ConfigError for unusable TLS files."""
        for index, broker in enumerate(brokers):
            if broker.url.is_secure:
                try:
                    broker_context(broker.tls)
                except ConfigError as error:
                    raise ConfigError(f"brokers[{index}].{error}") from error
        self._subscribers: list[Subscriber] = []
        if identity is not None:
            self._subscribers = [
                Subscriber(broker, client_id, identity, stage, names)
                for broker, client_id in zip(brokers, identity.client_ids(brokers), strict=True)
                if self._is_ours(broker, identity)
            ]
        self._tasks: list[asyncio.Task[None]] = []

    def _is_ours(self, broker: Broker, identity: Identity) -> bool:
        """Without a group each gateway would receive every message: only one of those on a data_dir subscribes."""
        if broker.group is None and identity.slot > 0:
            logger.info(
                "broker %s: another gateway of this data_dir subscribes; with a group they would share it", broker.label
            )
            return False
        return True

    def start(self) -> None:
        """Start to connect; unreachable brokers are retried."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(subscriber.run()) for subscriber in self._subscribers]

    def on_pressure(self, is_pressed: bool) -> None:
        """Too much waits for the log, or no longer."""
        for subscriber in self._subscribers:
            if is_pressed:
                subscriber.pause()
            else:
                subscriber.resume()

    def stop_reading(self) -> None:
        """Stop receiving messages."""
        for subscriber in self._subscribers:
            subscriber.stop_reading()

    async def stop(self) -> None:
        """Disconnect from all brokers, which keep the sessions."""
        await asyncio.gather(*(subscriber.end() for subscriber in self._subscribers))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
