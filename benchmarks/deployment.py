"""The systems under test: the product with 10 accounts and rules, or Mosquitto alone; with their CPU and memory."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import repository  # noqa: F401  # for tests.support

from tests.support.product import Product
from tests.support.waiting import wait_for

ACCOUNTS = 10
RULES = """\
groups:
  - name: greenhouse-climate
    table: agriculture.readings
    rules:
      - {alert: TooHot, measure: temperature, range: {min: -10, max: 60}, clear: {min: -8, max: 58}, for: 2m}
      - {alert: HeatingRunaway, measure: temperature, rate_of_change: {max: 500, per: 1m}}
      - {alert: TooDry, measure: soil_moisture, range: {min: 0}, for: 10m}
  - name: probe
    table: probe.readings
    rules:
      - {alert: Probe, measure: alarm, range: {max: 0}}
"""


def user(number: int) -> str:
    """The MQTT user name of an account."""
    return f"farm-{number}"


def password(number: int) -> str:
    """The password of that account."""
    return f"secret-{number}"


def token(number: int) -> str:
    """The HTTP token of that account."""
    return f"token-of-farm-{number}"


def config(webhook_port: int) -> str:
    """The configuration: 10 accounts, one table template for readings and one for probes, rules, a webhook."""
    users = [{"username": user(n), "password": password(n), "account": user(n)} for n in range(ACCOUNTS)]
    tokens = [{"token": token(n), "account": user(n)} for n in range(ACCOUNTS)]
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    webhook = {"url": f"http://127.0.0.1:{webhook_port}/", "secret": secret, "allow_private": True}
    return json.dumps(
        {
            "listener": {"address": "127.0.0.1:0", "users": users},
            "http": {"address": "127.0.0.1:0", "tokens": tokens},
            "console": {"address": "127.0.0.1:0"},
            "tables": [
                {
                    "name": "agriculture.readings",
                    "topics": "greenhouse/{region}/{greenhouse}/{zone}/{sensor}",
                    "zone": "{greenhouse}/{zone}",
                    "time": {"field": "ts", "unit": "ms"},
                    "measure_name": "climate",
                },
                {"name": "probe.readings", "topics": "probe/{sensor}", "time": {"field": "ts", "unit": "ns"}},
            ],
            "rules": ["rules.yaml"],
            "receivers": [{"name": "bench", "webhook": webhook}],
        },
        indent=1,
    )


class WebhookReceiver:
    """Receives webhooks; `arrived_s` has the monotonic time at which each probe's alert arrived, by its sensor."""

    def __init__(self) -> None:
        self.arrived_s: dict[str, float] = {}
        arrived_s = self.arrived_s

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now_s = time.monotonic()
                data = json.loads(self.rfile.read(int(self.headers["content-length"])))["data"]
                arrived_s.setdefault(data["dimensions"].get("sensor", ""), now_s)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Usage:
    """CPU seconds and peak memory by process name, sampled until stopped. A restarted process continues its count."""

    pids: dict[str, int]
    cpu_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    peak_rss: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._first = {name: _cpu_s(pid) for name, pid in self.pids.items()}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            self._sample()

    def _sample(self) -> None:
        for name, pid in self.pids.items():
            try:
                self.cpu_s[name] = _cpu_s(pid) - self._first[name]
                self.peak_rss[name] = max(self.peak_rss[name], psutil.Process(pid).memory_info().rss)
            except psutil.NoSuchProcess:
                continue

    def stop(self) -> None:
        """Take the last sample."""
        self._stop.set()
        self._thread.join()
        self._sample()


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and of those that it has started, such as those of queries."""
    process = psutil.Process(pid)
    used_s = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            used_s += times.user + times.system + times.children_user + times.children_system
    return used_s


@contextmanager
def product(folder: Path, receiver: WebhookReceiver) -> Iterator[Product]:
    """The product in `folder`."""
    (folder / "rules.yaml").write_text(RULES)
    with Product(folder, config(receiver.port)) as running:
        yield running


def mosquitto_program() -> str | None:
    """Where it is installed, if it is."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@contextmanager
def mosquitto(folder: Path, settings: str = "") -> Iterator[tuple[str, int] | None]:
    """Mosquitto on a free port, as (address, pid); None if it is not installed."""
    program = mosquitto_program()
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n{settings}")
    process = subprocess.Popen([program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"127.0.0.1:{port}"
        wait_for(lambda: accepts(address), "mosquitto accepts connections")
        yield address, process.pid
    finally:
        process.terminate()
        process.wait()


def accepts(address: str) -> bool:
    """Whether a process listens at `HOST:PORT`."""
    host, _, port = address.rpartition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0
