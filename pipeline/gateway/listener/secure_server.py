"""A listening server whose connections begin with a TLS handshake, each in its own task.

asyncio's `create_server(ssl=…)` does not report failed handshakes. Here every failure is counted with its reason, and
logged with the peer's address. A protocol gets its connection after the handshake, in whose place it is pending.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.base import metrics
from pipeline.base.tls.handshakes import why

if TYPE_CHECKING:
    from pipeline.gateway.listener.pending import GivesWay
    from pipeline.gateway.listener.server import Gateway

ACCEPT_AGAIN_S = 0.1  # after a failed accept: usually all open files are in use
GOODBYE_S = 5.0  # for the peer's close_notify; a session aborts earlier


class _Handshake:
    """A handshake in progress."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def give_way(self, limit: str) -> None:
        """End the connection; its handshake fails then."""
        metrics.connections_refused.labels(limit).inc()
        with contextlib.suppress(OSError):  # the peer has closed it
            self._connection.shutdown(socket.SHUT_RDWR)


class SecureServer:
    """`start` binds, `close` stops accepting; established connections continue."""

    def __init__(
        self,
        make_protocol: Callable[[GivesWay], asyncio.Protocol],
        context: ssl.SSLContext,
        handshake_timeout_s: float,
        gateway: Gateway,
    ) -> None:
        self.sockets: Sequence[socket.socket] = ()
        self._make_protocol = make_protocol
        self._context = context
        self._handshake_timeout_s = handshake_timeout_s
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int, backlog: int) -> None:
        """Listen. Raises OSError if the address cannot be used."""
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listeners: list[socket.socket] = []
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                listeners.append(_listener(family, address, backlog))
        except OSError:
            for listener in listeners:
                listener.close()
            raise
        self.sockets = listeners
        for listener in listeners:
            self._spawn(self._accept(listener))

    def close(self) -> None:
        """Stop accepting, and abort handshakes in progress; the sockets close in the next iterations of the loop."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    connection, address = await self._loop.sock_accept(listener)
                except OSError as error:
                    self._gateway.warnings.warn("accept failed", f"{error.strerror or error}; the device waits")
                    await asyncio.sleep(ACCEPT_AGAIN_S)
                else:
                    self._spawn(self._shake_hands(connection, address))

    async def _shake_hands(self, connection: socket.socket, address: Any) -> None:
        handshake = _Handshake(connection)
        if not self._gateway.may_wait(handshake, address):
            connection.close()
            return
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: self._make_protocol(handshake),
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_timeout_s,
                ssl_shutdown_timeout=GOODBYE_S,
            )
        except OSError as error:
            reason, detail = why(error)
            metrics.handshakes_failed.labels("mqtt", reason).inc()
            if reason != "lost":  # probes do that, to check whether somebody listens
                self._gateway.warnings.warn(f"TLS handshake, {reason}", f"{address[0]}:{address[1]}: {detail}")
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self._gateway.pending.done(handshake)

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _listener(family: int, address: Any, backlog: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # several gateways share the port
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
