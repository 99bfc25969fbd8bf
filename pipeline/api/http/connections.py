"""HTTP connections with limits: a client of which nothing is known yet costs little, and not for long.

uvicorn's protocol class, which has no such limits of its own, extended: how many connections may be open, in all and
from one address; how long a handshake of TLS, the head of a request, and all of it, may take to arrive; how large the
head may be; how long a client may not read a response.
"""

from __future__ import annotations

import asyncio
import http
import resource
import ssl
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from typing import Self

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.base import metrics
from pipeline.base.addresses import client_of
from pipeline.base.tls.handshakes import why
from pipeline.config.model import HttpLimits
from store.values.durations import format_duration

MAX_HEAD_BYTES = 64 * 1024  # request line and headers; what is beyond is not read
_OF_A_HEADER = 4  # the colon, a space and the end of the line
GOODBYE_S = 5.0  # for the peer's close_notify
FILES_SHARE = 2  # one of this number of the files that the process may open is for a connection


@dataclass(slots=True)
class OpenConnections:
    """The open connections of one server, counted by client address. Used in the server's event loop.

    One above a limit takes the place of the one that has been idle longest, so that a client that only opens
    connections keeps nobody out; it is refused if all are at work.
    """

    limits: HttpLimits
    by_address: Counter[str] = field(default_factory=Counter)
    idle: dict[str, dict[LimitedProtocol, None]] = field(default_factory=dict)  # by address, longest idle first

    def admit(self, address: str) -> str | None:
        """Count a new connection, closing an idle one if needed; the name of the limit if it is one too many."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if self.by_address[address] >= self.limits.connections_per_address:
            limit, idle = "connections_per_address", self.idle.get(address)
        elif self.by_address.total() >= min(self.limits.connections, files // FILES_SHARE):
            limit, idle = "connections", max(self.idle.values(), key=len, default=None)
        else:
            limit, idle = "", None
        if limit and not idle:
            return limit
        if idle:
            next(iter(idle)).give_way(limit)
        self.by_address[address] += 1
        return None

    def rests(self, address: str, connection: LimitedProtocol) -> None:
        """No request of the connection waits for a response."""
        self.idle.setdefault(address, {}).setdefault(connection)

    def works(self, address: str, connection: LimitedProtocol) -> None:
        """A request of the connection waits for its response."""
        connections = self.idle.get(address, {})
        connections.pop(connection, None)
        if not connections:
            self.idle.pop(address, None)

    def closed(self, address: str, connection: LimitedProtocol) -> None:
        """An admitted connection is closed."""
        self.works(address, connection)
        self.by_address[address] -= 1
        if not self.by_address[address]:
            del self.by_address[address]


class Part(Enum):
    """What arrives next of a connection."""

    NOTHING = auto()  # the next request, of which nothing is there
    HEAD = auto()  # the rest of a head
    BODY = auto()  # the rest of a body


class HeadTooLarge(Exception):
    """The request line and the headers are larger than they may be."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `limited` makes the class that a server uses."""

    open_connections: OpenConnections
    tls: ssl.SSLContext | None

    _handshake: asyncio.Task[None] | None = None  # in progress
    _early = b""  # what arrived before the handshake, and then together with its end
    _unread: asyncio.TimerHandle | None = None  # when a client that does not read is given up
    _address: str | None = None  # of an admitted connection
    _is_refused = False
    _awaited: str | None = None  # the limit that the deadline is of
    _deadline: asyncio.TimerHandle | None = None
    awaited_part = Part.NOTHING
    _head_bytes = 0
    _heads = 0  # that began

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Admit it, or refuse it at once. A handshake of TLS comes after that, so that it counts too."""
        peer = transport.get_extra_info("peername")
        address = client_of(str(peer[0])) if peer else ""
        if self.tls is None:
            super().connection_made(transport)
        else:
            self.transport = transport
            self._handshake = self.loop.create_task(self._secure(transport, self.tls))
        reason = self.open_connections.admit(address)
        if reason is not None:
            self._refuse(503, reason, "too many connections; try again later")
            return
        self._address = address
        self._await_rest()

    async def _secure(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        if self._is_refused:
            return
        within_s = self.open_connections.limits.header_timeout.total_seconds()
        if self._early:  # arrived before this task began
            tls, self._early = _AfterFirst(tls, self._early), b""
        try:
            secure = await self.loop.start_tls(
                transport, self, tls, server_side=True, ssl_handshake_timeout=within_s, ssl_shutdown_timeout=GOODBYE_S
            )
        except OSError as error:
            reason, _ = why(error)
            if reason in {"timeout", "lost"}:  # others are counted by `Counted`
                metrics.handshakes_failed.labels("http", reason).inc()
            transport.abort()
            self._leave()
            return
        assert secure is not None
        if transport.is_closing():  # it gave way
            return
        self._handshake = None
        super().connection_made(secure)  # uvloop's is no asyncio.Transport
        self._await_rest()
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self._leave()
        self._await_reader(None)
        super().connection_lost(exc)

    def give_way(self, limit: str) -> None:
        """Close this idle connection: another one needs its place."""
        self._refuse(503, limit, "too many connections; try again later")

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; a refused connection is not read."""
        if self._handshake is not None:
            self._early += data
        elif not self._is_refused:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        before, heads, head_bytes = self.awaited_part, self._heads, self._head_bytes
        super().data_received(data)
        if self._is_refused:
            return
        if self.awaited_part is Part.HEAD and self._heads - heads == (before is Part.NOTHING):  # all is of one head
            self._head_bytes = len(data) + (head_bytes if before is Part.HEAD else 0)
            if self._head_bytes > MAX_HEAD_BYTES:  # also of a field that has no end yet
                self._refuse_head()
                return
        self._await_rest()

    def on_message_begin(self) -> None:
        """A head begins."""
        self.awaited_part, self._head_bytes = Part.HEAD, 0
        self._heads += 1
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """The URL, or a part of it. Raises HeadTooLarge."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. Raises HeadTooLarge."""
        self._count(len(name) + len(value) + _OF_A_HEADER)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request may be answered; its body follows."""
        self.awaited_part = Part.BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of the request is there."""
        self.awaited_part = Part.NOTHING
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not read; give it up if that lasts."""
        super().pause_writing()
        self._await_reader(self.open_connections.limits.response_timeout)

    def resume_writing(self) -> None:
        """The client reads."""
        self._await_reader(None)
        super().resume_writing()

    def on_response_complete(self) -> None:
        """The connection is idle, even if the rest of a refused request's body does not arrive."""
        super().on_response_complete()
        if not self._is_refused:
            self._await_rest()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, or a head that is too large."""
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _count(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge

    def _refuse_head(self) -> None:
        text = f"the request line and the headers have at most {MAX_HEAD_BYTES:,} bytes"
        self._refuse(431, "header_size", text)

    def _leave(self) -> None:
        self._await(None)
        if self._address is not None:
            self.open_connections.closed(self._address, self)
            self._address = None

    def _await_reader(self, within: timedelta | None) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._unread = None if within is None else self.loop.call_later(within.total_seconds(), self._give_up)

    def _give_up(self) -> None:
        metrics.http_connections_refused.labels("response_timeout").inc()
        self.transport.abort()

    def _await_rest(self) -> None:
        part, is_idle = self.awaited_part, self.cycle is None or self.cycle.response_complete
        if self._address is not None:
            (self.open_connections.rests if is_idle else self.open_connections.works)(self._address, self)
        if part is Part.BODY and not self.pipeline:  # what waits for an earlier request is not read
            self._await("request_timeout")
        elif self._handshake is not None:  # it has a time limit of its own
            self._await(None)
        elif is_idle and (self.cycle is None or part is Part.HEAD):
            self._await("header_timeout")
        else:  # a connection without a request is uvicorn's to close
            self._await(None)

    def _await(self, limit: str | None) -> None:
        if limit == self._awaited:
            return
        self._awaited = limit
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if limit is not None:
            within: timedelta = getattr(self.open_connections.limits, limit)
            text = f"the request did not arrive within {format_duration(within)}"
            self._deadline = self.loop.call_later(within.total_seconds(), self._refuse, 408, limit, text)

    def _refuse(self, status: int, reason: str, text: str) -> None:
        """Close the connection; with a response, if none has been started."""
        metrics.http_connections_refused.labels(reason).inc()
        self._is_refused = True
        self._leave()
        if self._handshake is not None:
            self.transport.abort()
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            phrase = http.HTTPStatus(status).phrase
            head = f"HTTP/1.1 {status} {phrase}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n"
            self.transport.write(f"{head}content-length: {len(text) + 1}\r\n\r\n{text}\n".encode())
        self.transport.close()


class _AfterFirst(ssl.SSLContext):
    """A context for one handshake whose first bytes have been read already."""

    def __new__(cls, *_: object) -> Self:
        """`SSLContext` takes its protocol here."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, context: ssl.SSLContext, first: bytes) -> None:
        self._context = context
        self._first = first

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """The handshake."""
        incoming.write(self._first)
        return self._context.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def limited(limits: HttpLimits, tls: ssl.SSLContext | None = None) -> type[LimitedProtocol]:
    """The protocol class of a server with these limits, of HTTPS if there is a context."""
    return type("LimitedProtocol", (LimitedProtocol,), {"open_connections": OpenConnections(limits), "tls": tls})
