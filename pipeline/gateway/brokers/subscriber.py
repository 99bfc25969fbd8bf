"""The life of one configured broker: connect, subscribe, receive, and reconnect while the gateway runs."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from pipeline.base.errors import ConfigError
from pipeline.base.mqtt_filters import without_covered
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers import trouble
from pipeline.gateway.brokers.broker_metrics import BrokerMetrics
from pipeline.gateway.brokers.connection import Connection
from pipeline.gateway.brokers.copies import Copies
from pipeline.gateway.brokers.dial import dial
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.brokers.intake import Judge
from pipeline.gateway.brokers.seen import Seen, Snapshot
from pipeline.gateway.brokers.session import QOS
from pipeline.gateway.brokers.trouble import Kind, Trouble
from pipeline.gateway.brokers.wire import Wire
from pipeline.gateway.mqtt.topics import TopicNames
from pipeline.gateway.mqtt_to_readings import MqttToReadings
from store.values.backoff import Backoff, InARow

logger = logging.getLogger(__name__)

READY_TIMEOUT_S = 10.0  # for the CONNACK
TURN_S = 1.0
SAVE_S = 5.0  # how often the last messages are saved, and a second more for each `SAVE_TOPICS`
SAVE_TOPICS = 1_000  # so that at most about 60 KB/s are written, however many MQTT topics there are
REST_S = 0.002  # a tenth of the duration of an ack batch
BACKOFF = Backoff(first_s=0.5, longest_s=30.0, chance=0.5)
WIDE_WINDOW = 1_000  # with a smaller window the broker would wait for us meanwhile


class Subscriber:
    """`run` never returns by itself; `pause` and `resume` may be called at any time, `end` once."""

    def __init__(
        self, broker: Broker, client_id: str, identity: Identity, stage: MqttToReadings, names: TopicNames
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._identity = identity
        self._stage = stage
        self._names = names
        self._metrics = BrokerMetrics(broker.label)
        # brokers send no retained messages to shared subscriptions
        is_watched = broker.retained == "latest" and broker.group is None
        self._seen = Seen(identity.seen_file(client_id)) if is_watched else None
        self._saved_s = time.monotonic()
        self._rng = random.Random()  # noqa: S311  not a secret: jitter of retries
        self._in_a_row = InARow()  # two clients that take over each other's session do not count as stable
        self._connection: Connection | None = None
        self._is_stopping = False
        self._connections = 0
        self._stood_s = 0.0  # the duration of the last connection

    async def run(self) -> None:
        """Connect again and again."""
        while True:
            self._stood_s = 0.0
            try:
                why = await self._connect_and_take()
            except Exception as error:
                # whatever it was, the broker is retried
                logger.exception("broker %s: the subscription failed", self._broker.label)
                why = Trouble(Kind.OURS, f"{self._broker.label}: {error!r}", "report this error with the log")
            self._connection = None
            if self._is_stopping:
                return
            self._metrics.count_error(why.kind)
            wait_s = BACKOFF.wait_s(self._in_a_row.ended(self._stood_s), self._rng)
            logger.warning("broker %s; trying again in %.1f s", why, wait_s)
            await asyncio.sleep(wait_s)

    def pause(self) -> None:
        """Stop reading for now."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Continue to read."""
        if self._connection is not None and not self._is_stopping:
            self._connection.resume()

    def stop_reading(self) -> None:
        """Stop reading for good; PUBACKs are still sent."""
        self._is_stopping = True
        self.pause()

    async def end(self) -> None:
        """Disconnect."""
        self._is_stopping = True
        if self._connection is not None:
            await self._connection.end()
        if self._seen is not None and self._seen.has_changed:
            self._seen.save(self._seen.snapshot())  # the stage is drained: all messages are durable

    async def _connect_and_take(self) -> Trouble:
        """Make one connection and receive until it ends; returns why it ended, or why it failed."""
        where = self._broker.label
        try:
            plain = await dial(self._broker)
        except OSError as error:
            return trouble.of_error(error, where)
        except ConfigError as error:
            return Trouble(Kind.TLS, f"{where}: {error}", "correct the file")
        may_have = self._identity.may_have(self._client_id)
        is_granted = set(self._broker.filters) <= self._identity.subscribed(self._client_id)
        self._identity.ask(self._client_id, self._broker.filters)
        connection = self._connection = Connection(
            self._broker,
            self._client_id,
            partial(Wire, plain, rest_s=REST_S if self._broker.window >= WIDE_WINDOW else 0),
            self._stage,
            self._names,
            Judge(self._broker.retained, self._seen, self._copies(), self._names),
            self._metrics,
            subscribed=may_have,
            on_subscribed=self._on_subscribed,
            ask_all=self._connections == 0 or not is_granted,
        )
        try:
            connection.begin()
            return await self._take(connection)
        finally:
            connection.give_up(Trouble(Kind.OURS, f"{where}: given up"))

    async def _take(self, connection: Connection) -> Trouble:
        ends: set[asyncio.Future[Any]] = {connection.ready, connection.lost}
        await asyncio.wait(ends, timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if connection.is_over:
            return connection.lost.result()
        if not connection.ready.done():
            what = f"{self._broker.label} does not answer the CONNECT within {READY_TIMEOUT_S:g} s"
            return Trouble(Kind.TIMEOUT, what, "check that an MQTT broker listens there")
        self._connections += 1
        if self._connections > 1:
            self._metrics.reconnects.inc()
        self._metrics.connected.inc()
        if self._is_stopping:
            connection.pause()
        began_s = time.monotonic()
        try:
            while True:
                await asyncio.wait({connection.lost}, timeout=TURN_S)
                if connection.lost.done():
                    return connection.lost.result()
                connection.turn()
                self._save_seen()
        finally:
            self._stood_s = time.monotonic() - began_s
            self._metrics.connected.dec()

    def _copies(self) -> Copies | None:
        if self._broker.version == "5" and self._broker.overlaps:
            return Copies(without_covered(self._broker.topics))
        return None

    def _save_seen(self) -> None:
        """Save the last messages from time to time, after they are durable."""
        seen = self._seen
        if seen is None or not seen.has_changed:
            return
        now_s = time.monotonic()
        if now_s - self._saved_s >= SAVE_S + len(seen) / SAVE_TOPICS:
            self._saved_s = now_s
            self._stage.acknowledge_in_turn(_Saving(seen, seen.snapshot()), [b""])

    def _on_subscribed(self, connection: Connection, filters: Sequence[str]) -> None:
        had_session = connection.ready.result()
        if self._identity.subscribed(self._client_id) and not had_session and not connection.has_subscribed:
            self._metrics.count_error(Kind.SESSION_LOST)
            logger.warning(
                "broker %s has lost our session and the messages queued for us: one side was away too long, or it "
                "keeps nothing on disk",
                self._broker.label,
            )
        connection.has_subscribed = True
        self._identity.remember(self._client_id, filters)
        logger.info(
            "broker %s: connected as %s, %s, subscribed to %s",
            self._broker.label,
            self._client_id,
            "with the existing session" if had_session else "with a new session",
            ", ".join(filters) or "nothing",
        )


class _Saving:
    """The stage's `Publisher` for a snapshot: called when all messages before it are durable."""

    qos = QOS

    def __init__(self, seen: Seen, snapshot: Snapshot) -> None:
        self._seen = seen
        self._snapshot = snapshot

    def acknowledge(self, packet_ids: list[bytes]) -> int:  # noqa: ARG002  there is only one
        """Save the snapshot in another thread. Nobody waits for a PUBACK."""
        asyncio.get_running_loop().run_in_executor(None, self._seen.save, self._snapshot)
        return 0
