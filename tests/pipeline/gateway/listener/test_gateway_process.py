"""The gateway as a process, on the embedded log."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.base.ports import reserve
from pipeline.base.quantities import Address
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.encode import pubacks
from pipeline.log.embedded.admin import LocalAdmin
from pipeline.log.frame import decode_frame
from pipeline.log.topics import READINGS
from tests.support.mqtt_packets import connect, publish
from tests.support.waiting import wait_for

pytestmark = pytest.mark.processes

COUNT = 3_000


class Process:
    """`streamgauge gateway` on a data_dir of its own."""

    def __init__(self, data_dir: Path, *options: str, **variables: str) -> None:
        self.data_dir = data_dir
        arguments = ["gateway", "--data-dir", str(data_dir), "--mqtt", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.operations.cli", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | variables,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            found = re.search(r"listening for MQTT on .* port (\d+)", line)
            if found:
                self.port = int(found[1])
                break
        else:
            raise AssertionError("the gateway ended before it listened")

    def dial(self, version: Version) -> socket.socket:
        device = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        device.sendall(connect("d", version))
        assert device.recv(100)[:1] == b"\x20"
        return device

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def stored(self) -> list[bytes]:
        log = LocalAdmin(self.data_dir / "log")
        messages = log.read(READINGS, 0, 10_000)
        log.close()
        return [payload for message in messages for payload in decode_frame(message.value).payloads]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "data")
    yield process
    if process.process.poll() is None:
        process.end(signal.SIGKILL)


def receive(device: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = device.recv(size - len(data))
        assert more
        data += more
    return data


@pytest.mark.parametrize("version", Version)
def test_what_was_acknowledged_is_in_the_log_after_sigkill(process: Process, version: Version) -> None:
    device = process.dial(version)
    for start in range(0, COUNT, 100):
        ids = range(start + 1, start + 101)
        device.sendall(b"".join(publish("t", b"%d" % i, packet_id=i, version=version) for i in ids))
        assert receive(device, 400) == pubacks([i.to_bytes(2, "big") for i in ids])
    process.end(signal.SIGKILL)
    device.close()

    assert process.stored() == [b"%d" % i for i in range(1, COUNT + 1)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_that_is_told_to_end_stores_and_acknowledges_what_it_took_in(
    process: Process, number: signal.Signals
) -> None:
    device = process.dial(Version.V5)
    ids = range(1, COUNT + 1)
    device.sendall(b"".join(publish("t", b"%d" % i, packet_id=i, version=Version.V5) for i in ids))
    assert receive(device, 4) == b"\x40\2\0\1"

    assert process.end(number) == 0

    rest = b""
    while more := device.recv(1 << 16):
        rest += more
    device.close()
    assert rest[-3:] == b"\xe0\1\x8b"
    acknowledged = 1 + (len(rest) - 3) // 4
    assert len(process.stored()) == acknowledged


def test_gateways_without_a_worker_tell_their_metrics_at_an_address_they_share(tmp_path: Path) -> None:
    owner, address = reserve(Address("127.0.0.1", 0), "listener.metrics")
    with owner, ExitStack() as stack:
        for name, count in (("a", 3), ("b", 1)):
            process = Process(tmp_path, "--name", name, STREAMGAUGE_LISTENER__METRICS=str(address))
            stack.callback(process.end, signal.SIGKILL)
            with process.dial(Version.V5) as device:
                device.sendall(b"".join(publish("t", b"1", packet_id=i + 1, version=Version.V5) for i in range(count)))
                receive(device, 4 * count)
        counted = {
            'streamgauge_gateway_acknowledged_total{gateway="a"} 3.0',
            'streamgauge_gateway_acknowledged_total{gateway="b"} 1.0',
        }
        # a PUBACK is counted once it is sent
        wait_for(lambda: counted <= set(get(f"http://{address}/metrics").splitlines()), "both have counted")
        health = get(f"http://{address}/healthz")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"http://{address}/readyz")

    assert health == '{"status":"ok"}'


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


def test_a_metrics_port_that_is_taken_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "pipeline.operations.cli",
                "gateway",
                "--data-dir",
                str(tmp_path),
                "--mqtt",
                "127.0.0.1:0",
            ],
            env=os.environ | {"STREAMGAUGE_LISTENER__METRICS": address},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert ended.returncode == 1
    assert "listener.metrics: port" in ended.stderr


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        arguments = ["gateway", "--data-dir", str(tmp_path / "data"), "--mqtt", address]
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "pipeline.operations.cli", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert ended.returncode != 0
    assert address.rpartition(":")[2] in ended.stderr
