"""One connection to a broker, from CONNECT to its end: it passes PUBLISHes to the stage and sends the PUBACKs.

The connection itself is the stage's `Publisher`. If a batch becomes durable after its connection has ended, the ended
connection counts that and sends nothing: packet identifiers are valid for one connection only, and the broker sends
those messages again on the next one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.base.errors import MalformedPacket
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers import trouble
from pipeline.gateway.brokers.broker_metrics import BrokerMetrics
from pipeline.gateway.brokers.intake import Fate, Judge
from pipeline.gateway.brokers.session import QOS, Session
from pipeline.gateway.brokers.trouble import Kind, Trouble
from pipeline.gateway.brokers.wire import Wire
from pipeline.gateway.mqtt.bulk import take_publishes
from pipeline.gateway.mqtt.codes import PacketType
from pipeline.gateway.mqtt.decode import header
from pipeline.gateway.mqtt.encode import pubacks
from pipeline.gateway.mqtt.oversized import KEPT_BYTES, OversizedPublish, head_stop
from pipeline.gateway.mqtt.packets import MAX_PACKET_BYTES as LARGEST_PACKET_BYTES
from pipeline.gateway.mqtt.parts import Parts, parts_of
from pipeline.gateway.mqtt.topics import TopicNames
from pipeline.gateway.mqtt_to_readings import MqttToReadings, Publisher
from pipeline.log.dead_letter import Reason as DeadReason
from pipeline.log.dead_letter import Rejection

logger = logging.getLogger(__name__)

PINGREQ = bytes((PacketType.PINGREQ << 4, 0))
DISCONNECT = bytes((PacketType.DISCONNECT << 4, 0))
MAX_PACKET_BYTES = 256 * 1024  # the limit of the listener, too; frames are sized for it
MOST_ANSWERS = 100  # in one read: paho takes 60 us for each, and the listener's devices wait meanwhile
RETRY_REFUSED_S = 30.0  # the delay before a refused filter is requested again


class Connection:
    """Create it with a connected wire; `begin` sends the CONNECT.

    ready  done when the broker has accepted us: whether it had kept our session; cancelled if it never did
    lost   done when the connection has ended: why
    """

    qos = QOS  # of the messages that this object acknowledges

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        wire: Callable[[Callable[[bytes], None], Callable[[OSError], None]], Wire],
        stage: MqttToReadings,
        names: TopicNames,
        judge: Judge,
        broker_metrics: BrokerMetrics,
        *,
        subscribed: frozenset[str],
        on_subscribed: Callable[[Connection, Sequence[str]], None],
        ask_all: bool,
    ) -> None:
        """`subscribed` are the filters of the session that the broker may have kept.

        `ask_all` requests all filters again, also with 3.1.1, where the broker then sends retained messages once more.
        """
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[bool] = loop.create_future()
        self.lost: asyncio.Future[Trouble] = loop.create_future()
        self.has_subscribed = False  # and `on_subscribed` was called
        self._broker = broker
        self._wire = wire(self._on_data, self._on_error)
        self._client = Session(broker, client_id, self._wire)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._stage = stage
        self._names = names
        self._judge = judge
        self._takes_retained = broker.retained == "take"
        self._metrics = broker_metrics
        self._subscribed = subscribed
        self._on_subscribed = on_subscribed
        self._is_v5 = broker.version == "5"
        self._ask_all = ask_all or self._is_v5
        self._receipts = _Receipts(self)
        self._half_window = max(1, broker.window // 2)
        self._is_connected = False
        self._partial: bytearray | None = None
        self._needed = 0
        self._oversized: OversizedPublish | None = None  # a packet that is too large
        self._unacknowledged = 0
        self._asked: dict[int, tuple[str, ...]] = {}  # filters by the packet identifier of their SUBSCRIBE
        self._refused: tuple[str, ...] = ()
        self._ask_again_s = 0.0
        self._said_s = time.monotonic()  # when we last sent a packet while not reading
        self._trust_until_s = 0.0

    def begin(self) -> None:
        """Send the CONNECT, and start to read."""
        self._client.begin()
        self._wire.resume()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.lost.done()

    # --- what the stage calls ---

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        """Send the PUBACKs of these durable messages, unless the connection that delivered them has ended."""
        return self.send_acks(pubacks(packet_ids), len(packet_ids))

    def send_acks(self, packets: bytes, count: int) -> int:
        """Send these packets, which acknowledge `count` messages, unless the connection is over; returns how many."""
        if self.is_over:
            self._metrics.stale.inc(count)
            return 0
        self._unacknowledged -= count
        self._metrics.unacknowledged.dec(count)
        self._metrics.acknowledged.inc(count)
        self._wire.send(packets)
        return count

    # --- what the subscriber calls ---

    def pause(self) -> None:
        """Stop reading: the broker's window fills up, and it keeps the rest.

        Until the CONNACK has arrived, reading continues.
        """
        if self._is_connected:
            self._wire.pause()

    def resume(self) -> None:
        """Continue to read; responses to our pings may be behind the messages that have accumulated."""
        self._trust_until_s = time.monotonic() + self._client.keepalive
        if not self.is_over and not self._is_held:
            self._wire.resume()

    @property
    def _is_held(self) -> bool:
        """Whether it is not read because of its account's quota."""
        return self._stage.throttle is not None and self._stage.throttle.is_holding(self)

    def turn(self) -> None:
        """Called once a second: keep alive, and request refused filters again."""
        now_s = time.monotonic()
        if self._stage.is_pressed or self._is_held:  # nothing is read, so paho would miss the broker's responses
            if now_s - self._said_s >= self._client.keepalive / 2:  # the broker may have set another keep-alive
                self._said_s = now_s
                self._wire.send(PINGREQ)
            return
        if now_s >= self._trust_until_s:
            self._client.loop_misc()
        if self._refused and now_s >= self._ask_again_s:
            self._subscribe(self._refused)

    async def end(self) -> None:
        """Send DISCONNECT and close. The broker keeps the session."""
        if not self.is_over:
            if self._is_connected:
                self._wire.send(DISCONNECT)
            self._lose(Trouble(Kind.OURS, "ended by us"), close=False)
            await self._wire.close_gracefully()

    def give_up(self, why: Trouble) -> None:
        """End it at once."""
        self._lose(why)

    # --- bytes ---

    def _on_data(self, data: bytes) -> None:
        if not data:
            self._lose(Trouble(Kind.LOST, f"{self._broker.label} has closed the connection"))
            return
        if self._partial is not None:
            self._partial += data
            if len(self._partial) < self._needed:
                return
            data = bytes(self._partial)
            self._partial = None
        try:
            self._take(data)
            if self._stage.throttle is not None and self._is_connected and not self.is_over:
                self._stage.throttle.hold(self._broker.account, self)
        except MalformedPacket as error:
            self._lose(Trouble(Kind.BAD_PACKET, f"{self._broker.label} sent bytes that are not MQTT: {error}"))
        except Exception as error:
            # whatever it was, only this connection ends, and its unacknowledged messages are sent again
            logger.exception("broker %s: the connection failed", self._broker.label)
            self._lose(Trouble(Kind.OURS, f"{self._broker.label}: {error!r}", "report this error with the log"))

    def _take(self, data: bytes) -> None:
        """Process all complete packets of `data`, and keep the rest."""
        at = 0 if self._oversized is None else self._skip(self._oversized, data, 0)
        answers = 0
        while at < len(data) and not self.is_over:
            if self._is_connected:
                at = self._take_publishes(data, at)
                if at == len(data):
                    return
            found = header(data, at, LARGEST_PACKET_BYTES)
            is_large = found is not None and found.stop - at > MAX_PACKET_BYTES
            stop = 0 if found is None else head_stop(found, at) if is_large else found.stop
            if found is None or stop > len(data):
                self._partial = bytearray(data[at:])
                self._needed = stop - at
                return
            kind = found.first >> 4
            if is_large:
                stop = self._skip(OversizedPublish(data, found, at), data, stop)
            elif kind == PacketType.PUBLISH:
                self._take_one(parts_of(data, found, is_v5=self._is_v5))
            elif kind == PacketType.PUBREL:
                self._wire.send(bytes((PacketType.PUBCOMP << 4, 2)) + data[found.body : found.body + 2])
            else:
                answers += 1
                if answers > MOST_ANSWERS:
                    raise MalformedPacket("protocol_error", f"more than {MOST_ANSWERS} answers at once; few were due")
                self._client.read_packet(data[at : found.stop])
            at = stop

    def _skip(self, oversized: OversizedPublish, data: bytes, at: int) -> int:
        """Skip the part of a too large packet that begins at `at`; returns the position after it."""
        at = oversized.take(data, at)
        self._oversized = None if oversized.is_through else oversized
        if oversized.is_through:
            self._take_one(parts_of(oversized.head, oversized.header, is_v5=self._is_v5))
        return at

    def _take_publishes(self, data: bytes, at: int) -> int:
        """Add the ordinary PUBLISH packets at `at` to ack batches; returns the position after them."""
        stage, seen = self._stage, self._judge.seen
        while True:
            batch = stage.batch
            payloads = batch.payloads
            before = len(payloads)
            ids: list[bytes] = []
            stop = take_publishes(
                data,
                at,
                self._names.known,
                batch.mqtt_topics,
                payloads,
                ids,
                is_v5=self._is_v5,
                limit=stage.room,
                takes_retained=self._takes_retained,
            )
            if stop == at:
                return at
            if seen is not None:
                seen.note(batch.mqtt_topics[before:], payloads[before:])
            self._took(len(payloads) - before, stop - at, self, ids)
            at = stop

    def _take_one(self, parts: Parts) -> None:
        publisher: Publisher = self._receipts if parts.qos == 2 else self
        ids = [parts.packet_id] if parts.qos else []
        self._owe(1, len(ids))
        mqtt_topic = self._judge.topic_of(parts)
        fate = self._judge.fate_of(mqtt_topic, parts)
        account = self._broker.account
        if fate is not Fate.TAKEN:
            self._metrics.left[fate].inc()
            if ids:
                self._stage.acknowledge_in_turn(publisher, ids)
        elif parts.payload_bytes > len(parts.payload):
            self._stage.reject(account, mqtt_topic, self._cut(mqtt_topic, parts), publisher, ids)
        else:
            self._stage.take(account, mqtt_topic, parts.payload, publisher, ids)
        self._hurry()

    def _cut(self, mqtt_topic: str, parts: Parts) -> Rejection:
        self._metrics.cut.inc()
        logger.warning(
            "broker %s: a message of %d bytes on %r is truncated to %d: it becomes a dead letter",
            self._broker.label, parts.payload_bytes, mqtt_topic[:200], KEPT_BYTES,
        )  # fmt: skip
        detail = (
            f"a message of {parts.payload_bytes} bytes; packets of at most {MAX_PACKET_BYTES} are stored. Its first "
            f"{KEPT_BYTES} bytes are kept"
        )
        return Rejection(DeadReason.TOO_LARGE, detail, parts.payload[:KEPT_BYTES])

    def _took(self, count: int, size_bytes: int, publisher: Publisher, packet_ids: list[bytes]) -> None:
        """The last `count` messages of the open batch came from this connection."""
        self._owe(count, len(packet_ids))
        self._stage.took(self._broker.account, count, size_bytes, publisher, packet_ids)
        self._hurry()

    def _owe(self, count: int, unacknowledged: int) -> None:
        self._metrics.messages.inc(count)
        self._metrics.unacknowledged.inc(unacknowledged)
        self._unacknowledged += unacknowledged

    def _hurry(self) -> None:
        if self._unacknowledged >= self._half_window:
            self._stage.hurry()  # otherwise the broker's window would be full, and it would wait for us

    # --- what paho calls; it suppresses exceptions of ours (`_on_data`) ---

    def _on_connect(
        self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if self._is_connected:
            raise MalformedPacket("protocol_error", "a second CONNACK on one connection")
        if reason.is_failure:
            where = f"{self._broker.label} refuses the connection"
            self._lose(trouble.of_reason(reason.value, str(reason), during=where))
            return
        self._is_connected = True
        if self._stage.is_pressed:
            self._wire.pause()
        self.ready.set_result(flags.session_present)
        wanted = self._broker.filters
        known = self._subscribed if flags.session_present else frozenset()
        self._judge_copies(known, properties)
        gone = sorted(known - set(wanted))
        if gone:
            self._client.unsubscribe(gone)
        missing = [topic for topic in wanted if self._ask_all or topic not in known]
        if missing:
            self._subscribe(missing)
        else:
            self._on_subscribed(self, wanted)

    def _judge_copies(self, granted: frozenset[str], properties: Properties | None) -> None:
        """Decide which copies to accept: by the filters that the broker granted, until it grants others."""
        copies = self._judge.copies
        if copies is None:
            return
        if getattr(properties, "SubscriptionIdentifierAvailable", 1) == 0:  # 3.2.2.3.12
            self._judge.copies = None
            logger.warning(
                "broker %s: copies cannot be recognised: what several of %s match may be stored several times",
                self._broker.label, ", ".join(self._broker.topics),
            )  # fmt: skip
            return
        copies.granted = frozenset(each.removeprefix(self._broker.group_prefix) for each in granted)

    def _subscribe(self, filters: Sequence[str]) -> None:
        self._refused = ()
        copies = self._judge.copies
        if copies is None:
            self._ask(filters, None)
            return
        for each in filters:  # a SUBSCRIBE has one identifier
            self._ask([each], copies.identifiers[each.removeprefix(self._broker.group_prefix)])

    def _ask(self, filters: Sequence[str], identifier: int | None) -> None:
        packet_id = self._client.subscribe_to(filters, identifier)
        if packet_id is not None:
            self._asked[packet_id] = tuple(filters)

    def _on_subscribe(
        self, _client: Client, _data: Any, packet_id: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        filters = self._asked.pop(packet_id, ())
        for topic, reason in zip(filters, reasons, strict=False):
            if reason.is_failure:
                where = f"{self._broker.label} refuses the subscription to {topic!r}"
                found = trouble.of_reason(reason.value, str(reason), during=where)
                self._metrics.count_error(found.kind)
                logger.error("broker %s; next attempt in %g s", found, RETRY_REFUSED_S)
                self._refused = (*self._refused, topic)
                self._ask_again_s = time.monotonic() + RETRY_REFUSED_S
            elif reason.value < QOS:
                logger.warning(
                    "broker %s grants %r with QoS 0 only: what is on its way when a connection ends is lost",
                    self._broker.label, topic,
                )  # fmt: skip
        if self._asked:
            return
        granted = [topic for topic in self._broker.filters if topic not in self._refused]
        if self._judge.copies is not None:
            self._judge.copies.granted = frozenset(each.removeprefix(self._broker.group_prefix) for each in granted)
        self._on_subscribed(self, granted)

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            found = trouble.of_reason(reason.value, str(reason), during=f"{self._broker.label} ends the connection")
        else:
            found = Trouble(Kind.LOST, f"the connection to {self._broker.label} ended: {reason}")
        self._lose(found)

    # --- endings ---

    def _on_error(self, error: OSError) -> None:
        self._lose(trouble.of_error(error, self._broker.label))

    def _lose(self, why: Trouble, *, close: bool = True) -> None:
        if self.is_over:
            return
        if why.kind is Kind.LOST and not self._is_connected:
            why = trouble.unanswered(self._broker.label, is_secure=self._broker.url.is_secure)
        self.lost.set_result(why)
        if self._stage.throttle is not None:
            self._stage.throttle.forget(self)
        self._metrics.unacknowledged.dec(self._unacknowledged)
        if not self.ready.done():
            self.ready.cancel()
        if close:
            self._wire.close()


class _Receipts:
    """The messages of QoS 2 that wait for their PUBREC.

    We request QoS 1, so these belong to a session that another program started with our client id. A PUBREC has the
    meaning that a PUBACK has with QoS 1; a message that is sent again before it is treated like any other.
    """

    qos = 2

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        """Send the PUBRECs of these durable messages."""
        head = bytes((PacketType.PUBREC << 4, 2))
        return self._connection.send_acks(head + head.join(packet_ids), len(packet_ids))
