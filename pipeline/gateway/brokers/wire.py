"""The socket of one connection, between the event loop, paho and us.

For paho it is a socket (its `SocketLike`) that contains complete packets: it reads what was passed to `feed`, and all
that it sends is accepted. So paho never sees an incomplete packet, and our packets may be sent between its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

CHUNK_BYTES = 256 * 1024  # per read: about 2 ms of parsing, so that devices at the listener are not delayed
SMALL_BYTES = 16 * 1024  # after a smaller read, the next one waits for more data
CLOSE_WITHIN_S = 2.0
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Wire:
    """A connected socket in the event loop. `on_data` gets bytes as they arrive, b"" at the end; `on_error` an error.

    The event loop calls both, never a method of this class. A broker writes message by message, and a wake-up for each
    would cost several times as much as the message itself. So after a small read the next one waits for `rest_s`.
    """

    def __init__(
        self,
        connection: socket.socket,
        on_data: Callable[[bytes], None],
        on_error: Callable[[OSError], None],
        *,
        rest_s: float = 0,
    ) -> None:
        self._socket = connection
        self._fd = connection.fileno()
        self._on_data = on_data
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._fed = b""
        self._fed_at = 0
        self._unsent = bytearray()
        self._sent = asyncio.Event()
        self._sent.set()
        self._is_reading = False
        self._is_writing = False
        self._is_open = True
        self._again: asyncio.Handle | None = None
        self._rest_s = rest_s
        self._is_watching = False

    # --- what paho calls ---

    def feed(self, packet: bytes) -> None:
        """Make this the next packet that paho reads."""
        self._fed, self._fed_at = packet, 0

    def recv(self, size: int) -> bytes:
        """The next bytes of the packets passed to `feed`."""
        if self._fed_at >= len(self._fed):
            raise BlockingIOError
        found = self._fed[self._fed_at : self._fed_at + size]
        self._fed_at += size
        return found

    def send(self, data: bytes | bytearray) -> int:
        """Accept all of `data`, and write as much as the socket accepts now."""
        if self._is_open:
            self._unsent += data
            if not self._is_writing:
                self._flush()
        return len(data)

    def close(self) -> None:
        """Close at once; does nothing if it is closed."""
        if not self._is_open:
            return
        self._is_open = False
        self._stop_reading()
        self._stop_writing()
        self._socket.close()

    def fileno(self) -> int:
        """The socket's file descriptor; -1 once it is closed."""
        return self._fd if self._is_open else -1

    def setblocking(self, flag: bool) -> None:
        """Do nothing: the socket never blocks."""

    # --- what the connection calls ---

    def resume(self) -> None:
        """Start to read; does nothing if it reads already."""
        if self._is_open and not self._is_reading:
            self._is_reading = True
            self._watch()
            self._again = self._loop.call_soon(self._readable)  # TLS may have decrypted bytes already

    def pause(self) -> None:
        """Stop reading; does nothing if it has stopped."""
        if self._is_open:
            self._stop_reading()

    async def close_gracefully(self) -> None:
        """Write pending bytes, then close after the broker has closed.

        Closing with unread bytes would reset the connection, and our last PUBACKs might be lost (RFC 1122, 4.2.2.13).
        """
        self.pause()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._sent.wait()
                if self._is_open:
                    await self._discard_until_closed()
        self.close()

    async def _discard_until_closed(self) -> None:
        if not isinstance(self._socket, ssl.SSLSocket):
            self._socket.shutdown(socket.SHUT_WR)
        ended = asyncio.Event()

        def discard() -> None:
            try:
                while self._socket.recv(CHUNK_BYTES):
                    pass
            except _NOTHING_YET:
                return
            except OSError:
                pass
            ended.set()

        self._loop.add_reader(self._fd, discard)
        try:
            await ended.wait()
        finally:
            self._loop.remove_reader(self._fd)

    # --- what the event loop calls ---

    def _readable(self) -> None:
        if not self._is_reading:
            return
        try:
            data = self._read()
        except OSError as error:
            self._on_error(error)
            return
        if data is None:
            return
        self._on_data(data)
        if self._rest_s and len(data) < SMALL_BYTES and self._is_reading:
            self._unwatch()
            self._again = self._loop.call_later(self._rest_s, self._watch)

    def _read(self) -> bytes | None:
        """The available bytes, up to a chunk; None if there are none, b"" at the end."""
        try:
            data = self._socket.recv(CHUNK_BYTES)
        except _NOTHING_YET:
            return None
        if not isinstance(self._socket, ssl.SSLSocket) or not data:
            return data
        # TLS returns one record at a time, and may have more of them, decrypted or not.
        parts = [data]
        left = CHUNK_BYTES - len(data)
        while left > 0:
            try:
                data = self._socket.recv(left)
            except _NOTHING_YET:
                return b"".join(parts)
            if not data:
                break
            parts.append(data)
            left -= len(data)
        self._again = self._loop.call_soon(self._readable)
        return b"".join(parts)

    def _flush(self) -> None:
        """Write; the rest follows when the socket accepts it."""
        try:
            while self._unsent:
                # a copy, because the buffer must not grow while it is sent; after a wait OpenSSL gets the same bytes,
                # and more
                sent = self._socket.send(bytes(self._unsent[:CHUNK_BYTES]))
                del self._unsent[:sent]
        except _NOTHING_YET:
            self._sent.clear()
            if not self._is_writing:
                self._is_writing = True
                self._loop.add_writer(self._fd, self._flush)
            return
        except OSError as error:
            self._unsent.clear()
            self._loop.call_soon(self._on_error, error)
        self._sent.set()
        self._stop_writing()

    def _stop_reading(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._is_reading = False
        self._unwatch()

    def _watch(self) -> None:
        if not self._is_watching:
            self._is_watching = True
            self._loop.add_reader(self._fd, self._readable)

    def _unwatch(self) -> None:
        if self._is_watching:
            self._is_watching = False
            self._loop.remove_reader(self._fd)

    def _stop_writing(self) -> None:
        if self._is_writing:
            self._is_writing = False
            self._loop.remove_writer(self._fd)
