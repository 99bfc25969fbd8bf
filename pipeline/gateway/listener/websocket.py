"""MQTT over WebSocket (section 6) on the listener's port: a connection that begins like HTTP is treated as such.

A `WebSocket` is between a connection and its session: for the connection it is the protocol, for the session the
transport. It passes the bytes of frames to the session as they arrive, however packets are split into frames, and never
buffers a whole frame: the limits are those of the session. `wsproto` implements RFC 6455; no extension is offered, so
nothing is compressed. Any other HTTP request gets a short response that describes this port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from pipeline.base.errors import MalformedPacket
from pipeline.gateway.listener.session import Session

METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE ", b"PRI ")
SUBPROTOCOLS = ("mqtt", "mqttv3.1")  # 6.0; the second is from before the standard
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PHRASES = {400: "Bad Request", 403: "Forbidden", 426: "Upgrade Required"}
WHAT_THIS_IS = (
    "This port speaks MQTT, plainly or over WebSocket with the subprotocol mqtt. "
    "Streamgauge's HTTP API is at another one: http.address, which is port 8080 unless configured otherwise."
)


class _RefusedRequest(Exception):
    """The response has this status and this sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class WebSocket(asyncio.Transport, asyncio.Protocol):
    """`transport` is that of the connection, `is_open` whether everyone may publish: then pages in browsers may not."""

    def __init__(self, session: Session, transport: asyncio.Transport, *, is_open: bool) -> None:
        super().__init__()
        self._session = session
        self._transport = transport
        self._is_open = is_open
        self._frames = WSConnection(ConnectionType.SERVER)
        self._first = b""  # the first bytes, until the kind of connection is known
        self._is_refused = False

    # --- what the event loop calls ---

    def data_received(self, data: bytes) -> None:
        """Bytes of HTTP, then of frames, split anywhere."""
        if self._is_refused:
            return
        if self._frames.connection is None:
            self._first = (self._first + data)[:64]
        payload = bytearray()
        try:
            self._frames.receive_data(data)
            for event in self._frames.events():
                self._on_event(event, payload)
        except _RefusedRequest as error:
            self._answer(error.status, str(error))
        except (RemoteProtocolError, LocalProtocolError, UnicodeError) as error:
            self._on_error(error)
        else:
            self._hand_over(payload)

    def pause_writing(self) -> None:
        """As in the session."""
        self._session.pause_writing()

    def resume_writing(self) -> None:
        """As in the session."""
        self._session.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """As in the session."""
        self._session.connection_lost(error)

    # --- what the session calls ---

    def write(self, data: Any) -> None:
        """Send `data` as a frame, unless the client has closed."""
        if self._frames.state is ConnectionState.OPEN:
            self._transport.write(self._frames.send(BytesMessage(bytes(data))))

    def write_eof(self) -> None:
        """Stop sending. Raises NotImplementedError with TLS."""
        self._send_close(CloseReason.NORMAL_CLOSURE)
        self._transport.write_eof()

    def close(self) -> None:
        """Close after everything is sent."""
        self._send_close(CloseReason.NORMAL_CLOSURE)
        self._transport.close()

    def abort(self) -> None:
        """Abort the connection."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closing."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Stop reading for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Continue to read."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As in the connection; `websocket` is this object."""
        return self if name == "websocket" else self._transport.get_extra_info(name, default)

    # --- events ---

    def _on_event(self, event: object, payload: bytearray) -> None:
        match event:
            case Request():
                self._accept(event.subprotocols, dict(event.extra_headers).get(b"origin"))
            case BytesMessage():
                payload += event.data
            case TextMessage():
                raise RemoteProtocolError("a text frame; MQTT is in binary ones")  # 6.0
            case Ping():
                self._transport.write(self._frames.send(event.response()))
            case CloseConnection():
                self._hand_over(payload)
                if self._frames.state is ConnectionState.REMOTE_CLOSING:
                    self._transport.write(self._frames.send(event.response()))
                self._transport.close()  # for the session it is lost, unless its DISCONNECT arrived before
            case _:
                pass  # a pong without a ping

    def _hand_over(self, payload: bytearray) -> None:
        """Pass data to the session, which may answer, and end the connection."""
        if payload:
            data = bytes(payload)
            payload.clear()
            self._session.data_received(data)

    def _accept(self, subprotocols: Sequence[str], origin: bytes | None) -> None:
        chosen = next((each for each in SUBPROTOCOLS if each in subprotocols), None)
        if chosen is None:
            raise _RefusedRequest(400, f"A WebSocket here speaks MQTT: offer the subprotocol mqtt. {WHAT_THIS_IS}")
        if origin is not None and self._is_open and urlsplit(origin.decode("latin-1")).hostname not in LOOPBACK:
            # otherwise any page in the operator's browser could publish, because its requests come from loopback too
            raise _RefusedRequest(403, "A page of another site may not publish here, as this listener has no users.")
        self._transport.write(self._frames.send(AcceptConnection(subprotocol=chosen)))

    def _on_error(self, error: Exception) -> None:
        if self._frames.connection is None:
            if self._first.startswith(METHODS):
                wants_upgrade = b"HTTP/1.1" in self._first and error.__context__ is None
                self._answer(426 if wants_upgrade else 400, WHAT_THIS_IS)
            else:
                self._is_refused = True
                self._session.refuse(
                    MalformedPacket("not_connect", f"{self._first[:16]!r} where a connection begins with CONNECT")
                )
            return
        self._is_refused = True
        self._session.refuse(MalformedPacket("bad_websocket", str(error) or "bytes that are no WebSocket frames"))

    def _answer(self, status: int, detail: str) -> None:
        """Answer a request that is not for MQTT, and end the connection."""
        self._is_refused = True
        body = b"" if self._first.startswith(b"HEAD ") else f"{detail}\n".encode()
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(detail.encode()) + 1}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._session.refuse_http(detail)

    def _send_close(self, reason: CloseReason) -> None:
        if self._frames.state is ConnectionState.OPEN:
            self._transport.write(self._frames.send(CloseConnection(reason)))
