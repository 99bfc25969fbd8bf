"""A real Mosquitto that can be restarted, paused and killed, and a relay that breaks and records connections.

`Relay.acknowledged` is the relevant record: the payloads whose PUBACKs the product sent to the broker.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pipeline.gateway.mqtt.codes import PacketType
from pipeline.gateway.mqtt.decode import header
from pipeline.gateway.mqtt.packets import MAX_PACKET_BYTES
from pipeline.gateway.mqtt.parts import parts_of
from tests.support.stopping import stand_still
from tests.support.waiting import wait_for

BASE = """\
user root
persistence true
persistence_location {folder}/
max_queued_messages 0
log_dest file {folder}/mosquitto.log
log_type all
"""


def free_port() -> int:
    """A loopback port without listener."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Mosquitto:
    """Mosquitto with its files in `folder`; a context manager. It has the same port after each start.

    `settings` replace the default of one listener without authentication; `{port}` and `{folder}` in them are filled
    in.
    """

    def __init__(
        self, folder: Path, settings: str = "listener {port} 127.0.0.1\nallow_anonymous true\n", *, base: str = BASE
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        text = (base + settings).format(port=self.port, folder=folder)
        self._config.write_text(text)
        self._ports = [int(port) for port in re.findall(r"^listener (\d+)", text, re.MULTILINE)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """The log of the broker."""
        file = self._folder / "mosquitto.log"
        return file.read_text() if file.exists() else ""

    def start(self) -> None:
        """Start it, and return when it listens on all its ports."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        assert program is not None, "mosquitto is not installed"
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen([program, "-c", str(self._config)], stdout=output, stderr=output)
        wait_for(self._listens, f"mosquitto listens on {self._ports}", every_s=0.02)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "output").read_text() + self.log
        for port in self._ports:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) != 0:
                    return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it: normally, with its data saved, or by SIGKILL, without."""
        assert self._process is not None
        self.go_on()
        self._process.send_signal(number)
        self._process.wait(60)

    def restart(self, number: int = signal.SIGTERM) -> None:
        """`stop` and `start`."""
        self.stop(number)
        self.start()

    def pause(self) -> None:
        """SIGSTOP."""
        assert self._process is not None
        stand_still(self._process.pid)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)


class _Relayed:
    """One connection: the bytes to the broker, and the bytes from it."""

    def __init__(self, client: socket.socket, broker: socket.socket) -> None:
        self.sockets = (client, broker)
        self.up, self.down = bytearray(), bytearray()


class Relay:
    """Relays connections to the broker at `address`; clients connect to its own `address`. A context manager."""

    def __init__(self, address: str) -> None:
        self._target = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections: list[_Relayed] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in list(self._threads):
            thread.join(10)

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for relayed in list(self.connections):
            for end in relayed.sockets:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        host, _, port = self._target.rpartition(":")
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection((host, int(port)), timeout=10)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            relayed = _Relayed(client, broker)
            self.connections.append(relayed)
            for source, sink, kept in ((client, broker, relayed.up), (broker, client, relayed.down)):
                thread = threading.Thread(target=_pump, args=(source, sink, kept), daemon=True)
                self._threads.append(thread)
                thread.start()

    def acknowledged(self, version: str = "5") -> list[bytes]:
        """The payloads of all messages that the product has acknowledged, by connection, in order.

        Asserts that the PUBACKs of each connection are in the order of its PUBLISHes.
        """
        return [payload for relayed in list(self.connections) for payload in _acknowledged(relayed, version)]


def _pump(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            kept += data  # before it is relayed, so that acknowledgements are known when they happen
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()


def _acknowledged(relayed: _Relayed, version: str) -> Iterator[bytes]:
    up, down = bytes(relayed.up), bytes(relayed.down)
    acks = [up[body : body + 2] for kind, body in _packets(up) if kind == PacketType.PUBACK]
    published = []
    at = 0
    while (found := header(down, at, MAX_PACKET_BYTES)) and found.stop <= len(down):
        if found.first >> 4 == PacketType.PUBLISH:
            message = parts_of(down, found, is_v5=version == "5")
            if message.qos:
                published.append(message)
        at = found.stop
    for packet_id, message in zip(acks, published, strict=False):
        assert packet_id == message.packet_id, "a PUBACK out of order"
        yield message.payload


def _packets(data: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while (found := header(data, at, MAX_PACKET_BYTES)) and found.stop <= len(data):
        yield found.first >> 4, found.body
        at = found.stop
