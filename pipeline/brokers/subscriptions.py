"""All subscriptions of a gateway process: they read while the stage takes, and stop with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pipeline.brokers.identity import Identity
from pipeline.brokers.settings import BrokerSettings
from pipeline.brokers.subscription import Subscription
from pipeline.stages.mqtt_to_readings import MqttToReadings


class Subscriptions:
    """`start` them, `pause` and `resume` them as the log does, `stop` them after the stage has drained."""

    def __init__(self, brokers: Sequence[BrokerSettings], stage: MqttToReadings, folder: Path) -> None:
        """`folder` keeps who we are to the brokers. Raises OSError if it cannot be used."""
        self._identity = Identity(folder) if brokers else None
        self._tasks: list[asyncio.Task[None]] = []
        self._subscriptions = [
            Subscription(broker, self._identity.client_id(broker, brokers[:index]), stage, self._identity)
            for index, broker in enumerate(brokers)
            if self._identity is not None
        ]

    @property
    def are_ready(self) -> bool:
        """Whether all are connected and subscribed."""
        return all(subscription.is_ready for subscription in self._subscriptions)

    @property
    def ends(self) -> set[asyncio.Task[None]]:
        """None of them ends before `stop`, unless there is a bug."""
        return set(self._tasks)

    def start(self) -> None:
        """Begin to connect; a broker that is not there is tried again for ever."""
        self._tasks = [asyncio.create_task(subscription.run()) for subscription in self._subscriptions]

    def on_pressure(self, is_pressed: bool) -> None:
        """Too much waits for the log, or no longer."""
        for subscription in self._subscriptions:
            if is_pressed:
                subscription.pause()
            else:
                subscription.resume()

    def pause(self) -> None:
        """Read no more, for good: what was read is still acknowledged."""
        for subscription in self._subscriptions:
            subscription.pause()

    async def stop(self) -> None:
        """Leave all brokers. Raises what ended a subscription before its time."""
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        for subscription in self._subscriptions:
            subscription.stop()
        if self._identity is not None:
            self._identity.release()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
