"""The listener: its sessions, what they share, and the loop's one timer.

Backpressure is here only: while too much waits for the log, no connection is read, keep-alives of connections are
suspended, and, if that lasts, new CONNECTs are answered "server busy". Nothing is dropped; when half of the waiting
data is in the log, reading resumes.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial

from pipeline.base import metrics
from pipeline.base.addresses import client_of
from pipeline.base.arrival import ArrivalStamps
from pipeline.base.tls.peers import common_name
from pipeline.base.tls.reloading import POLL_S, ReloadingContext
from pipeline.gateway.listener.accounts import Accounts
from pipeline.gateway.listener.admission import Admitted, Refused, admit
from pipeline.gateway.listener.limited_warnings import LimitedWarnings
from pipeline.gateway.listener.offenders import Offenders
from pipeline.gateway.listener.pending import GivesWay, Pending
from pipeline.gateway.listener.secure_server import SecureServer
from pipeline.gateway.listener.session import Session
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.listener.wheel import Wheel
from pipeline.gateway.listening import TICK_EVERY_S, Listening
from pipeline.gateway.mqtt.bridges import bridge_state
from pipeline.gateway.mqtt.codes import ReasonCode
from pipeline.gateway.mqtt.packets import Connect, Will
from pipeline.gateway.mqtt.topics import TopicNames
from pipeline.gateway.mqtt_to_readings import MqttToReadings
from pipeline.gateway.open_files import raise_limit
from pipeline.gateway.throttle import Throttle
from pipeline.log.log import Appender
from pipeline.stream.partitioning import Partitioner

logger = logging.getLogger(__name__)

TURN_S = 0.5  # the resolution of keep-alives
POLL_TURNS = math.ceil(POLL_S / TURN_S)
TICK_TURNS = math.ceil(TICK_EVERY_S / TURN_S)


class Gateway:
    """A listener. `start` binds, `stop` ends it; `failed` of its stage raises if the log fails."""

    def __init__(
        self,
        settings: ListenerSettings,
        appender: Appender,
        *,
        stamps: ArrivalStamps,
        partition_of: Partitioner | None = None,
        listening: Listening | None = None,
    ) -> None:
        self.settings = settings
        self.names = TopicNames(settings.max_topic_bytes)
        self.wheel: Wheel[Session] = Wheel()
        self.warnings = LimitedWarnings()
        self.offenders = Offenders()
        self.stage = MqttToReadings(
            appender,
            settings.batch,
            stamps=stamps,
            on_pressure=self._on_pressure,
            partition_of=partition_of,
            listening=listening,
            throttle=None if settings.message_rates is None else Throttle(settings.message_rates),
        )
        self.tls = None if settings.tls is None else ReloadingContext(settings.tls, "mqtt")
        self._accounts = Accounts(settings.users)
        self._sessions: set[Session] = set()
        self._by_client_id: dict[tuple[str, str], Session] = {}
        self._pressed_since_s = self._paused_since_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._ticker: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | SecureServer | None = None
        self._most_connections = 0
        self.pending = Pending(settings.most_pending, settings.most_pending_per_address)
        self._gone = asyncio.Event()
        self.on_pressure: list[Callable[[bool], None]] = []  # callbacks of other sources of the stage

    @property
    def is_pressed(self) -> bool:
        """Whether too much waits for the log: nothing is read."""
        return self.stage.is_pressed

    @property
    def is_busy(self) -> bool:
        """Whether new connections are refused: the log is full, or has been slow for a while."""
        is_slow = self.is_pressed and time.monotonic() - self._pressed_since_s >= self.settings.busy_after_s
        return self.stage.refusal is not None or is_slow

    @property
    def is_open(self) -> bool:
        """Whether everyone may publish."""
        return self._accounts.are_open

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        assert isinstance(port, int)
        return port

    async def start(self) -> None:
        """Listen. Raises OSError if the address cannot be used."""
        of_files = raise_limit()
        self._most_connections = min(self.settings.most_connections or of_files, of_files)
        self._server = await (self._listen() if self.tls is None else self._listen_securely(self.tls))
        self._ticker = self._loop.call_later(TURN_S, self._tick)
        self.stage.tell_listening()
        logger.info("listening for MQTT on %s port %d", self.settings.host, self.port)

    async def stop(self) -> None:
        """Stop accepting, append and acknowledge all received messages, disconnect, close."""
        assert self._server is not None
        self._server.close()
        if self.stage.throttle is not None:
            self.stage.throttle.stop()
        for session in self._sessions:
            session.pause()
        try:
            async with asyncio.timeout(self.settings.stop_timeout_s):
                await self.stage.drain()
        except TimeoutError:
            logger.warning("ended before the log had everything: what it does not have was not acknowledged")
        for session in list(self._sessions):
            session.shut_down()
        try:
            async with asyncio.timeout(self.settings.stop_timeout_s):
                while self._sessions:
                    self._gone.clear()
                    await self._gone.wait()
        except TimeoutError:
            for session in list(self._sessions):
                session.abort()
        self.stage.stop()
        if self._ticker is not None:
            self._ticker.cancel()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(
            lambda: Session(self),
            self.settings.host,
            self.settings.port,
            backlog=self.settings.backlog,
            reuse_address=True,
            reuse_port=True,  # several gateways share the port
        )

    async def _listen_securely(self, tls: ReloadingContext) -> SecureServer:
        server = SecureServer(partial(Session, self), tls, self.settings.connect_timeout_s, self)
        await server.start(self.settings.host, self.settings.port, self.settings.backlog)
        return server

    # --- what sessions call ---

    def turns(self, seconds: float) -> int:
        """The number of turns of the wheel that last at least `seconds`, without the current one."""
        return math.ceil(seconds / TURN_S) + 1

    def may_wait(self, connection: GivesWay, peer: Sequence[object] | None) -> bool:
        """Whether a new connection of this peer is taken in: then it is pending. A refusal is counted."""
        where = str(peer[0]) if peer else ""
        if len(self._sessions) >= self._most_connections:
            limit: str | None = "connections"
        else:
            limit = self.pending.admit(client_of(where), connection, self.wheel.now)
        if limit is not None:
            metrics.connections_refused.labels(limit).inc()
            told = f"{where}: {len(self._sessions)} connections, {len(self.pending)} without an accepted CONNECT"
            self.warnings.warn(f"refused, {limit}", told)
        return limit is None

    def is_holding(self, session: Session) -> bool:
        """Whether a connection is not read because of its account's quota."""
        return self.stage.throttle is not None and self.stage.throttle.is_holding(session)

    def hold(self, session: Session) -> None:
        """Read a connection no further for now, if its account has sent more than its quota allows."""
        throttle = self.stage.throttle
        wait_s = 0.0 if throttle is None else throttle.hold(session.account, session)
        if wait_s:
            told = f"{session.name}: not read for {wait_s:.1f} s: quotas.messages_per_second of {session.account!r}"
            self.warnings.warn("over quota", told)

    def joined(self, session: Session, transport: asyncio.BaseTransport) -> bool:
        """A connection was accepted; returns whether it is taken in."""
        if not self.may_wait(session, transport.get_extra_info("peername")):
            return False
        self._sessions.add(session)
        if len(self._sessions) > 0.9 * self._most_connections:
            self.warnings.warn(
                "open files",
                f"{len(self._sessions)} connections of at most {self._most_connections}; raise `ulimit -n`",
            )
        return True

    def admit(self, connect: Connect, transport: asyncio.BaseTransport) -> Admitted | Refused:
        """Whether this CONNECT is accepted."""
        return admit(
            connect,
            self._accounts,
            self.settings,
            is_busy=self.is_busy,
            fresh_id=f"auto-{secrets.token_hex(8)}",
            certified=None if self.tls is None else common_name(transport.get_extra_info("peercert")),
        )

    def admitted(self, session: Session) -> None:
        """A CONNECT was accepted: an older connection with that client id ends (3.1.4)."""
        self.pending.done(session)
        metrics.connections.inc()
        key = session.account, session.client_id
        older = self._by_client_id.get(key)
        self._by_client_id[key] = session
        if older is not None and older.is_connected:
            older.end("taken_over", ReasonCode.SESSION_TAKEN_OVER, "its client id came again on another connection")
        if self.is_pressed:
            session.pause()

    def left(self, session: Session, *, was_admitted: bool) -> None:
        """A connection has ended."""
        self.pending.done(session)
        self._sessions.discard(session)
        if self.stage.throttle is not None:
            self.stage.throttle.forget(session)
        if was_admitted:
            metrics.connections.dec()
            key = session.account, session.client_id
            if self._by_client_id.get(key) is session:
                del self._by_client_id[key]
        self._gone.set()

    def take_will(self, session: Session, will: Will) -> None:
        """Publish the will of a device that ended without DISCONNECT: like any other message, but without a PUBACK."""
        if not self.is_notice(will.mqtt_topic, will.payload, is_retained=will.is_retained):
            self.stage.take(session.account, will.mqtt_topic, will.payload, None, [])

    def is_notice(self, mqtt_topic: str, payload: bytes, *, is_retained: bool) -> bool:
        """Whether a message is not a reading and need not be kept, which is counted.

        It clears a retained message, which we do not store, or is the state message of a bridge.
        """
        if not payload and is_retained:  # 3.3.1.3
            metrics.messages_cleared.inc()
            return True
        state = bridge_state(mqtt_topic, payload)
        if state is None:
            return False
        name, is_connected = state
        metrics.bridge_states.labels("connected" if is_connected else "gone").inc()
        logger.info("the bridge %r says that it is %s", name[:64], "connected" if is_connected else "gone")
        return True

    # --- the loop's timer, and pressure ---

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(TURN_S, self._tick)
        self.turn()

    def turn(self) -> None:
        """One turn of the wheel, every `TURN_S`: ends connections that were silent for too long."""
        if self.is_pressed:
            self._count_pause()
        for session in self.wheel.turn():
            session.on_due()
        if self.wheel.now % TICK_TURNS == 0:
            self.stage.tell_listening()
        if self.tls is not None and self.wheel.now % POLL_TURNS == 0:
            self.tls.poll()

    def reload_certificates(self) -> None:
        """Load the certificate files now, whether or not they have changed."""
        if self.tls is not None:
            self.tls.reload()

    def _on_pressure(self, is_pressed: bool) -> None:
        if is_pressed:
            self._pressed_since_s = self._paused_since_s = time.monotonic()
            self.warnings.warn(
                "log slow or full",
                f"{self.stage.trouble}; {len(self._sessions)} connections are not read",
            )
        else:
            self._count_pause()
        for tell in self.on_pressure:
            tell(is_pressed)
        for session in self._sessions:
            if not is_pressed:
                session.resume()
            elif session.is_connected:
                session.pause()

    def _count_pause(self) -> None:
        now_s = time.monotonic()
        metrics.paused_seconds.inc(now_s - self._paused_since_s)
        self._paused_since_s = now_s
