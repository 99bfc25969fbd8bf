"""A real Mosquitto for tests: on free ports of loopback, restarted, paused or cut off as tests say."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import trustme

from pipeline.testing import wait_for

PROGRAM = "/usr/sbin/mosquitto"
USER, PASSWORD = "ingest", "kept-secret"
# Started by root it becomes another user, who may not write here; started by others it ignores that line.
LIMITS = "user root\nmax_queued_messages 0\npersistence true\nautosave_interval 1800\n"


def free_port() -> int:
    """A port of loopback that nobody has at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Mosquitto:
    """One broker with its data in `folder`. `secure`: by TLS, with a client certificate and a password."""

    def __init__(self, folder: Path, *, secure: bool = False, lines: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = 0
        self._lines = lines
        self._secure = secure
        self._process: subprocess.Popen[bytes] | None = None
        if secure:
            self._make_secrets()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, on the port it had before, and wait until it answers."""
        for _ in range(5):  # a port can be taken between choosing and binding
            self.port = self.port or free_port()
            self._write_configuration()
            with (self.folder / "output").open("ab") as output:
                command = [PROGRAM, "-c", str(self.folder / "mosquitto.conf")]
                self._process = subprocess.Popen(command, stdout=output, stderr=output)
            wait_for(self._has_begun, "mosquitto listens or has ended")
            if self._process.poll() is None:
                return
            self.port = 0
        raise AssertionError("mosquitto does not start:\n" + (self.folder / "output").read_text())

    def stop(self) -> None:
        """SIGTERM: it keeps sessions and their messages on disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what it had in memory is lost, sessions too."""
        self._end(signal.SIGKILL)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """SIGSTOP within the block: connections stay open, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def _has_begun(self) -> bool:
        assert self._process is not None
        with socket.socket() as client:
            return self._process.poll() is not None or client.connect_ex(("127.0.0.1", self.port)) == 0

    def _write_configuration(self) -> None:
        access = "allow_anonymous true\n"
        if self._secure:
            access = (
                f"allow_anonymous false\npassword_file {self.folder}/passwords\nacl_file {self.folder}/acl\n"
                f"cafile {self.folder}/ca.pem\ncertfile {self.folder}/server.pem\nkeyfile {self.folder}/server.key\n"
                "require_certificate true\n"
            )
        text = f"listener {self.port} 127.0.0.1\n{access}{LIMITS}persistence_location {self.folder}/\n{self._lines}"
        (self.folder / "mosquitto.conf").write_text(text)

    def _make_secrets(self) -> None:
        command = ["mosquitto_passwd", "-b", "-c", str(self.folder / "passwords"), USER, PASSWORD]
        subprocess.run(command, check=True, capture_output=True)
        (self.folder / "acl").write_text(f"user {USER}\ntopic readwrite fault/#\n")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.folder / "ca.pem")
        server, client = authority.issue_cert("localhost", "127.0.0.1"), authority.issue_cert("client@example.org")
        for name, one in (("server", server), ("client", client)):
            one.private_key_pem.write_to_path(self.folder / f"{name}.key")
            (self.folder / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in one.cert_chain_pems))


@contextmanager
def running(folder: Path, *, secure: bool = False, lines: str = "") -> Iterator[Mosquitto]:
    """A broker within the block."""
    broker = Mosquitto(folder, secure=secure, lines=lines)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def publisher(port: int) -> Iterator[mqtt.Client]:
    """A connected client of MQTT 5."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


class Wire(threading.Thread):
    """A TCP proxy in front of a port: `cut` closes all its connections, `is_down` refuses new ones."""

    def __init__(self, target_port: int) -> None:
        super().__init__(daemon=True)
        self._target_port = target_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._has_ended = False
        self.is_down = False
        self._cut = threading.Event()
        self.start()

    def cut(self) -> None:
        """Close every connection, with all that is under way on it."""
        self._cut.set()
        wait_for(lambda: not self._cut.is_set(), "the wire is cut", every_s=0.001)

    def end(self) -> None:
        """Be gone."""
        self._has_ended = True
        self.join()

    def run(self) -> None:
        """Pass bytes on."""
        while not self._has_ended:
            ready, _, _ = select.select([self._listening, *self._pairs], [], [], 0.01)
            if self._cut.is_set():
                self._close(*list(self._pairs))
                self._cut.clear()
                continue
            for one in ready:
                if one is self._listening:
                    self._accept()
                elif one in self._pairs:
                    self._pass_on(one)
        self._close(*list(self._pairs))
        self._listening.close()

    def _accept(self) -> None:
        near, _ = self._listening.accept()
        try:
            if self.is_down:
                raise ConnectionRefusedError
            far = socket.create_connection(("127.0.0.1", self._target_port))
        except OSError:
            near.close()
            return
        self._pairs |= {near: far, far: near}

    def _pass_on(self, one: socket.socket) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = one.recv(65_536)
            if data:
                self._pairs[one].settimeout(5)
                self._pairs[one].sendall(data)
        if not data:
            self._close(one, self._pairs[one])

    def _close(self, *ends: socket.socket) -> None:
        for end in ends:
            self._pairs.pop(end, None)
            end.close()
