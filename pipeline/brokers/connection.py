"""One TCP connection to a broker: messages in, to the ack batch; acknowledgements out, once the log has the batch.

paho speaks MQTT; the gateway's event loop drives it (its sockets, its keep-alive), so that a burst of messages goes to
the batch in one step and their acknowledgements to the broker in one write.
The rules: an acknowledgement belongs to the connection that its message came by. On another one the same packet
identifier may be another message, so what comes back when this one has gone is counted and dropped: the broker sends
that message again. Nothing that a broker sends raises out of here: it ends the connection, or is a message.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pipeline import metrics
from pipeline.brokers import causes, paho_client
from pipeline.brokers.errors import BrokerError
from pipeline.brokers.identity import Identity
from pipeline.brokers.settings import BrokerSettings
from pipeline.brokers.texts import readable_payload, readable_topic
from pipeline.mqtt.encode import pubacks
from pipeline.stages.mqtt_to_readings import MqttToReadings

logger = logging.getLogger(__name__)

BURST = 500  # messages; then devices and other brokers have their turn
PINGREQ = b"\xc0\x00"
TICK_S = 0.5
STALLED_S = 3.0  # a tick that comes so late says that we were not running, not that the broker was silent


class Connection:
    """A connection from `attach` until `lost` has its reason. All in the gateway's event loop."""

    def __init__(self, settings: BrokerSettings, client_id: str, stage: MqttToReadings, identity: Identity) -> None:
        self.client = paho_client.make_client(settings, client_id)
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[BrokerError] = self._loop.create_future()
        self.is_ready = False  # subscribed
        self._settings = settings
        self._client_id = client_id
        self._stage = stage
        self._identity = identity
        self._socket: Any = None  # as paho has it: of socket or of ssl
        self._is_reading = False
        self._is_paused = False
        self._is_writing = False
        self._unsent = b""
        self._is_cut = False  # a part of `_unsent` has gone: nothing may come between
        self._began_s = self._heard_s = self._ticked_s = self._pinged_s = time.monotonic()
        self._ticker: asyncio.TimerHandle | None = None
        self._unacked = 0
        self._taken = 0
        self._topics: list[str] = []
        self._payloads: list[bytes] = []
        self._packet_ids: list[bytes] = []
        self._size_bytes = 0
        self.client.on_message = self._on_message
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_disconnect = self._on_disconnect
        self.client.on_socket_close = self._on_socket_close
        # With this paho writes only when it is told to.
        self.client.on_socket_register_write = lambda *_: None

    # --- its life ---

    def attach(self) -> None:
        """The socket is there, and the CONNECT in the queue: take over."""
        self._socket = self.client.socket()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._began_s = self._heard_s = self._ticked_s = self._pinged_s = time.monotonic()
        self._listen()
        self._flush()
        self._ticker = self._loop.call_later(TICK_S, self._tick)

    def pause(self) -> None:
        """Read no more: too much waits for the log. The broker keeps what we do not take."""
        self._is_paused = True
        if self.is_ready and self._is_reading:
            self._loop.remove_reader(self._socket)
            self._is_reading = False

    def resume(self) -> None:
        """Read again."""
        self._is_paused = False
        if self._socket is not None and not self._is_reading:
            self._heard_s = time.monotonic()
            self._listen()
            self._loop.call_soon(self._on_readable)  # what TLS has decrypted already wakes nobody

    def close(self) -> None:
        """Say goodbye; the session stays at the broker."""
        if self._socket is not None and not self.lost.done():
            self.client.disconnect()
            self._flush()
        self._end(BrokerError("stopped", f"{self._settings.name} was left"))

    def acknowledge(self, packet_ids: list[bytes]) -> int:
        """The messages are durable: say so to the broker, unless this connection has gone. How many were told."""
        count = len(packet_ids)
        if self.lost.done():
            metrics.broker_stale_acks.labels(self._settings.name).inc(count)
            return 0
        self._unacked -= count
        self._unsent += pubacks(packet_ids)
        self._flush()
        metrics.broker_acks.labels(self._settings.name).inc(count)
        self._show_window()
        return count

    # --- reading ---

    def _listen(self) -> None:
        self._is_reading = True
        self._loop.add_reader(self._socket, self._on_readable)

    def _on_readable(self) -> None:
        if self._has_stopped():
            return
        self._heard_s = time.monotonic()
        try:
            self._take_burst()
        except Exception as error:  # noqa: BLE001  # paho's decoder raises anything when bytes are not MQTT
            self._hand_over()
            self._end(BrokerError("protocol", f"{self._settings.name} sent what is no MQTT: {error!r}"))
            return
        self._hand_over()
        self._flush()

    def _take_burst(self) -> None:
        """Let paho decode what has come, up to `BURST` messages; the last look finds nothing more."""
        loop_read = self.client.loop_read
        for _ in range(BURST):
            if self._has_stopped():
                return
            before = self._taken
            loop_read()
            if self._taken == before and not self._is_pending():
                return
            if len(self._topics) >= self._stage.room:
                self._hand_over()  # which may pause us
        if self._is_pending():
            self._loop.call_soon(self._on_readable)

    def _has_stopped(self) -> bool:
        return self.lost.done() or not self._is_reading

    def _is_pending(self) -> bool:
        """Whether TLS holds bytes that the loop does not see."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        """One message: nothing that it holds is refused here."""
        self._taken += 1
        try:
            topic = message.topic
        except UnicodeDecodeError as error:
            topic = error.object.decode("utf-8", "backslashreplace")
        self._topics.append(readable_topic(topic))
        payload = readable_payload(bytes(message.payload))
        self._payloads.append(payload)
        self._size_bytes += len(payload) + len(topic)
        if message.qos:
            self._packet_ids.append(message.mid.to_bytes(2, "big"))

    def _hand_over(self) -> None:
        """Put what was decoded into the ack batch."""
        count = len(self._topics)
        if not count:
            return
        batch = self._stage.batch
        batch.mqtt_topics += self._topics
        batch.payloads += self._payloads
        packet_ids, size_bytes = self._packet_ids, self._size_bytes
        self._topics, self._payloads, self._packet_ids, self._size_bytes = [], [], [], 0
        self._unacked += len(packet_ids)
        self._stage.took(self._settings.account, count, size_bytes, self, packet_ids)
        if self._unacked * 2 >= self._settings.window:
            self._stage.hurry()  # else the broker would stand still until the batch is due
        metrics.broker_messages.labels(self._settings.name).inc(count)
        self._show_window()

    def _show_window(self) -> None:
        metrics.broker_unacked.labels(self._settings.name).set(self._unacked)

    # --- writing ---

    def _flush(self) -> None:
        """Send what waits: paho's packets, and our acknowledgements, none within another."""
        try:
            while not self.lost.done() and self._socket is not None:
                if self.client.want_write() and not self._is_cut:
                    self.client.loop_write()
                    if self.client.want_write():
                        break
                elif self._unsent:
                    sent = self._socket.send(self._unsent)
                    self._unsent = self._unsent[sent:]
                    self._is_cut = bool(self._unsent)
                else:
                    break
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._is_cut = True  # TLS wants the same bytes again
        except OSError as error:
            self._end(causes.cause_of(self._settings, error))
            return
        wants_to_write = not self.lost.done() and bool(self._unsent or self.client.want_write())
        if wants_to_write and not self._is_writing and self._socket is not None:
            self._loop.add_writer(self._socket, self._flush)
        elif not wants_to_write and self._is_writing and self._socket is not None:
            self._loop.remove_writer(self._socket)
        self._is_writing = wants_to_write

    # --- what paho tells ---

    def _on_connect(
        self, _client: mqtt.Client, _data: object, flags: mqtt.ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        if code.is_failure:
            self._end(causes.refused_connect(self._settings, code))
            return
        known, wanted = self._identity.filters_of(self._client_id), self._settings.filters
        logger.info(
            "connected to %s as %s; %s",
            self._settings.name,
            self._client_id,
            "it kept our session" if flags.session_present else "a new session",
        )
        if flags.session_present and set(known) == set(wanted):
            self._be_ready()
            return
        if known and not flags.session_present:
            metrics.broker_errors.labels(self._settings.name, "session_lost").inc()
            logger.warning("%s has forgotten our session, and with it what it held for us", self._settings.name)
        stale = [topic for topic in known if topic not in wanted]
        if flags.session_present and stale:
            self.client.unsubscribe(stale)
        paho_client.subscribe(self.client, self._settings, wanted, paho_client.ONLY_IF_NEW)

    def _on_subscribe(
        self, _client: mqtt.Client, _data: object, _mid: int, codes: list[ReasonCode], _more: Properties | None
    ) -> None:
        granted = []
        error: BrokerError | None = None
        for topic, code in zip(self._settings.filters, codes, strict=False):
            if causes.is_granted(code):
                granted.append(topic)
                continue
            error = causes.refused_filter(self._settings, topic, code)
            metrics.broker_errors.labels(self._settings.name, error.reason).inc()
            logger.error("%s", error)
        if error is not None and not granted:
            self._end(error)
            return
        try:
            self._identity.remember_filters(self._client_id, granted)
        except OSError as error:  # then all is subscribed to again next time
            logger.warning("what %s is subscribed to cannot be kept: %s", self._client_id, error)
        self._be_ready()

    def _be_ready(self) -> None:
        self.is_ready = True
        metrics.broker_connected.labels(self._settings.name).set(1)
        if self._is_paused or self._stage.is_pressed:
            self.pause()

    def _on_disconnect(
        self, _client: mqtt.Client, _data: object, flags: mqtt.DisconnectFlags, code: ReasonCode, _more: object
    ) -> None:
        by_broker = flags.is_disconnect_packet_from_server
        self._end(causes.lost(self._settings, code, by_broker=by_broker))

    def _on_socket_close(self, _client: mqtt.Client, _data: object, closing: Any) -> None:
        """The loop must forget the socket while its number is still ours."""
        if closing is self._socket and self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = None
            self._is_reading = self._is_writing = False

    # --- time, and the end ---

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(TICK_S, self._tick)
        now_s = time.monotonic()
        if now_s - self._ticked_s > STALLED_S:
            self._heard_s = now_s
        self._ticked_s = now_s
        if not self.is_ready and now_s - self._began_s > self._settings.connect_timeout_s:
            self._end(causes.no_answer(self._settings))
        elif self._is_reading and now_s - self._heard_s > self._settings.keep_alive_s * 1.5:
            self._end(causes.silent(self._settings, now_s - self._heard_s))
        elif self.is_ready and now_s - self._pinged_s >= self._settings.keep_alive_s / 2:
            self._pinged_s = now_s
            self._unsent += PINGREQ
            self._flush()

    def _end(self, error: BrokerError) -> None:
        """The connection has ended, whoever ended it; the first reason is the one."""
        if self.lost.done():
            return
        self.lost.set_result(error)
        if self._ticker is not None:
            self._ticker.cancel()
        if self.is_ready:
            metrics.broker_connected.labels(self._settings.name).set(0)
        self._unacked = 0
        self._show_window()
        sock = self._socket
        if sock is not None:
            self._on_socket_close(self.client, None, sock)
            sock.close()
