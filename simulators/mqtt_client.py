"""Publishes over many MQTT connections at about a microsecond per message.

It exists because one client of paho or aiomqtt per connection takes 50 to 60 µs per message, which is a whole core at
20,000 messages/s. It only publishes: no subscriptions, no QoS 2.

Lost connections are opened again, after 0.2 s doubling to 10 s with jitter, while the publisher runs; a failure of the
first attempt is final, because then the address or the password is wrong.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
import ssl
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Self

from simulators.connection import Connection, Counts, Message, Session
from simulators.errors import BrokerRefused, BrokerUnreachable
from store.values.backoff import Backoff

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0  # for written data to be sent
OPENING_AT_ONCE = 100  # well below the usual backlog of a listening socket
BACKOFF = Backoff(first_s=0.2, longest_s=10.0, chance=0.5)
BACKLOG = 50_000  # messages that may wait before `room` blocks the caller
PORTS_PER_ADDRESS = 20_000  # Linux has 28,232 ports for one local address


class Publisher:
    """Connections to one server, used as `async with`; entering raises BrokerUnreachable or BrokerRefused."""

    def __init__(
        self,
        host: str,
        port: int,
        client_ids: Sequence[str],
        session: Session,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.counts = Counts()
        self._host, self._port, self._session = host, port, session
        self._tls = tls
        self._client_ids = client_ids
        self._connections: list[Connection] = []
        self._opening = asyncio.Semaphore(OPENING_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BrokerRefused | None = None
        self._progress = asyncio.Event()
        self._is_closing = False
        self._rng = random.Random()  # noqa: S311  # spreads load, not a secret

    async def __aenter__(self) -> Self:
        self._connections = [
            Connection(
                name,
                self._session,
                self.counts,
                on_lost=functools.partial(self._lost, index),
                on_progress=self._progress.set,
            )
            for index, name in enumerate(self._client_ids)
        ]
        opening = [asyncio.ensure_future(self._open(index)) for index in range(len(self._connections))]
        try:
            await asyncio.gather(*opening)
        except BaseException:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            await self._close()
            raise
        self._spawn(self._keep_alive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        return sum(connection.is_ready for connection in self._connections)

    @property
    def unfinished(self) -> int:
        """Messages that wait, or are in flight."""
        return sum(connection.unfinished for connection in self._connections)

    def publish(self, connection: int, messages: Sequence[Message]) -> None:
        """Publish these over one connection, in this order. Never blocks: call `room` from time to time."""
        self.counts.offered += len(messages)
        self._connections[connection].offer(messages)

    @property
    def has_room(self) -> bool:
        """Whether more may be published without waiting for `room`."""
        return self._failure is None and self.counts.offered - self.counts.sent <= BACKLOG

    async def room(self) -> None:
        """Wait until not too many messages wait. Raises BrokerRefused if a connection cannot be opened again."""
        while not self.has_room:
            if self._failure is not None:
                raise self._failure
            await self._next_progress()

    async def finish(self, timeout_s: float) -> None:
        """Wait until no message waits or is in flight, or until the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.unfinished and self._failure is None:
                    await self._next_progress()
        except TimeoutError:
            return  # the counts show what is missing

    async def _next_progress(self) -> None:
        self._progress.clear()
        await self._progress.wait()

    async def _open(self, index: int) -> None:
        connection, loop = self._connections[index], asyncio.get_running_loop()
        async with self._opening:
            connection.opened = loop.create_future()
            local = None
            if self._host.startswith("127.") and len(self._connections) > PORTS_PER_ADDRESS:
                local = (f"127.0.0.{1 + index // PORTS_PER_ADDRESS}", 0)
            try:
                async with asyncio.timeout(OPEN_TIMEOUT_S):
                    await loop.create_connection(
                        lambda: connection, self._host, self._port, local_addr=local, ssl=self._tls
                    )
                    await connection.opened
            except (OSError, BrokerUnreachable) as error:
                connection.opened.cancel()
                connection.abort()
                await connection.closed.wait()
                reason = f"no answer within {OPEN_TIMEOUT_S:g} s" if isinstance(error, TimeoutError) else str(error)
                raise BrokerUnreachable(f"cannot publish to {self._host}:{self._port}: {reason}") from error

    def _lost(self, index: int) -> None:
        if not self._is_closing:
            self._spawn(self._open_again(index))

    async def _open_again(self, index: int) -> None:
        for failures in itertools.count(1):
            await asyncio.sleep(BACKOFF.wait_s(failures, self._rng))
            try:
                await self._open(index)
            except BrokerRefused as error:
                self._failure = error
                self._progress.set()
                return
            except BrokerUnreachable:
                continue
            self.counts.reconnects += 1
            return

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._session.keep_alive_s / 4)
            now_s = loop.time()
            for connection in self._connections:
                connection.ping_if_quiet(now_s)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        self._is_closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in self._connections:
            connection.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                for connection in self._connections:
                    await connection.closed.wait()
        except TimeoutError:
            for connection in self._connections:
                connection.abort()
