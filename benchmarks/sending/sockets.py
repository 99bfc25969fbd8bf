"""Many MQTT connections on one epoll: opened, opened again after a loss, written and read without blocking."""

from __future__ import annotations

import heapq
import select
import socket
import time
from collections.abc import Callable
from enum import IntEnum

import numpy as np

from simulators import packets

OPENING_AT_ONCE = 200
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 1.0
RECEIVE_BYTES = 1 << 18
PORTS_PER_ADDRESS = 20_000  # Linux has 28,232 ports for one local address
KEEP_ALIVE_S = 600


class Refused(Exception):
    """The server refused CONNECT in a way that a retry does not correct."""


class State(IntEnum):
    """The state of one connection; only a READY one publishes."""

    DOWN = 0
    OPENING = 1  # TCP connect, or waiting for CONNACK
    READY = 2
    BLOCKED = 3  # its socket's buffer is full


class Sockets:
    """The connections by number. `on_ready` is called after a CONNACK, to send in-flight messages again."""

    def __init__(self, address: tuple[str, int], connects: list[bytes], on_ready: Callable[[int], None]) -> None:
        self._address, self._connects, self._on_ready = address, connects, on_ready
        n = len(connects)
        self.state = np.zeros(n, dtype=np.int8)
        self.lost = 0  # connections lost after their CONNACK
        self._sockets: list[socket.socket | None] = [None] * n
        self._by_descriptor: dict[int, int] = {}
        self._unsent: dict[int, bytes] = {}
        self._unread: dict[int, bytes] = {}
        self._wait_s = [FIRST_WAIT_S] * n
        self._due: list[tuple[float, int]] = [(0.0, number) for number in range(n)]
        self._opening = 0
        self._epoll = select.epoll()

    @property
    def ready(self) -> int:
        """The number of connections that can publish."""
        return int((self.state >= State.READY).sum())

    def open_due(self) -> None:
        """Start to open connections that are due, a limited number at once."""
        now_s = time.monotonic()
        while self._due and self._due[0][0] <= now_s and self._opening < OPENING_AT_ONCE:
            self._open(heapq.heappop(self._due)[1])

    def write(self, number: int, data: bytes | memoryview) -> None:
        """Write to a ready connection; what its socket does not accept is kept, and it is blocked meanwhile."""
        if number in self._unsent:
            self._unsent[number] += data
            return
        sock = self._sockets[number]
        assert sock is not None
        try:
            written = sock.send(data)
        except BlockingIOError:
            written = 0
        except OSError:
            self._lose(number)
            return
        if written < len(data):
            self._unsent[number] = bytes(data[written:])
            if self.state[number] == State.READY:
                self.state[number] = State.BLOCKED
            self._epoll.modify(sock, select.EPOLLIN | select.EPOLLOUT)

    def poll(self, timeout_s: float) -> tuple[list[int], list[bytes]]:
        """Wait for the network; returns complete PUBACKs, as (connection, bytes) with each connection at most once."""
        numbers: list[int] = []
        received: list[bytes] = []
        for descriptor, events in self._epoll.poll(timeout_s, len(self._connects)):
            number = self._by_descriptor.get(descriptor)
            if number is None:
                continue
            if events & select.EPOLLOUT:
                self._writable(number)
            if events & ~select.EPOLLOUT and (data := self._read(number)):
                numbers.append(number)
                received.append(data)
        return numbers, received

    def close(self) -> None:
        """Send DISCONNECT on every connection, and close it."""
        for number, sock in enumerate(self._sockets):
            if sock is not None:
                if self.state[number] == State.READY:
                    self.write(number, packets.DISCONNECT_PACKET)
                sock.close()
        self._epoll.close()

    def _open(self, number: int) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self._connects) > PORTS_PER_ADDRESS and self._address[0].startswith("127."):
            sock.bind((f"127.0.0.{1 + number // PORTS_PER_ADDRESS}", 0))
        sock.connect_ex(self._address)
        self._sockets[number] = sock
        self._by_descriptor[sock.fileno()] = number
        self.state[number] = State.OPENING
        self._opening += 1
        self._unsent[number] = self._connects[number]
        self._epoll.register(sock, select.EPOLLIN | select.EPOLLOUT)

    def _writable(self, number: int) -> None:
        sock, data = self._sockets[number], self._unsent.pop(number, b"")
        assert sock is not None
        if self.state[number] == State.BLOCKED:
            self.state[number] = State.READY
        self._epoll.modify(sock, select.EPOLLIN)
        if data:
            self.write(number, data)

    def _read(self, number: int) -> bytes:
        """Complete PUBACKs of a connection; processes its CONNACK."""
        sock = self._sockets[number]
        if sock is None:
            return b""
        try:
            data = sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._lose(number)
            return b""
        if number in self._unread:
            data = self._unread.pop(number) + data
        if self.state[number] == State.OPENING and len(data) >= 4:
            self._take_connack(number, data[:4])
            if self._sockets[number] is None:
                return b""
            data = data[4:]
        rest = len(data) % 4
        if rest:
            self._unread[number] = data[-rest:]
        return data[: len(data) - rest]

    def _take_connack(self, number: int, data: bytes) -> None:
        if data[0] != packets.CONNACK or data[3]:
            meaning, is_passing = packets.REFUSALS.get(data[3], (f"it answered {data.hex()}", False))
            if not is_passing:
                raise Refused(f"{self._address[0]}:{self._address[1]} refused the connection: {meaning}")
            self._lose(number)
            return
        self._opening -= 1
        self._wait_s[number] = FIRST_WAIT_S
        self.state[number] = State.READY
        self._on_ready(number)

    def _lose(self, number: int) -> None:
        sock = self._sockets[number]
        assert sock is not None
        if self.state[number] == State.OPENING:
            self._opening -= 1
        else:
            self.lost += 1
        del self._by_descriptor[sock.fileno()]
        sock.close()
        self._sockets[number] = None
        self.state[number] = State.DOWN
        self._unsent.pop(number, None)
        self._unread.pop(number, None)
        heapq.heappush(self._due, (time.monotonic() + self._wait_s[number], number))
        self._wait_s[number] = min(self._wait_s[number] * 2, LONGEST_WAIT_S)
