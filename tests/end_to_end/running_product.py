"""The running product as users meet it: config, devices, the command, the webhook receiver."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import psutil

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.operations.client import Client
from pipeline.operations.demo import Receiver
from tests.support.commands import COMMAND
from tests.support.paho_clients import disconnect
from tests.support.product import FREE_PORTS, Product

RULES = """\
groups:
  - name: climate
    table: farm.climate
    rules:
      - alert: TooHot
        measure: temperature
        range: {max: 38}
        clear: {max: 36}
        annotations: {summary: "{zone_name}: {value} °C on {sensor}"}
      - alert: HotForLong
        measure: temperature
        range: {max: 34}
        for: 60s
"""

TABLES = [
    {
        "name": "farm.climate",
        "topics": "farm/{greenhouse}/{zone}/{sensor}",
        "zone": "{greenhouse}/{zone}",
        "time": {"field": "ts", "unit": "ms"},
        "measures": {"temperature": {"unit": "celsius"}},
        "limits": {"future": "2h"},
    }
]


def config(folder: Path, receiver: Receiver | None = None, **more: Any) -> str:
    """A streamgauge.yaml on free ports, with rules, and a receiver if there is one."""
    (folder / "rules.yaml").write_text(RULES)
    receivers = []
    if receiver is not None:
        webhook = {"url": f"http://127.0.0.1:{receiver.port}/x", "secret": receiver.secret, "allow_private": True}
        receivers = [{"name": "growers", "webhook": webhook}]
    sections: dict[str, Any] = {"tables": TABLES, "rules": [str(folder / "rules.yaml")], "receivers": receivers}
    return FREE_PORTS + "".join(f"{name}: {json.dumps(value)}\n" for name, value in {**sections, **more}.items())


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str
    data: bytes = field(repr=False)


def command(*words: str, endpoint: str | None = None, token: str | None = None, stdin: str = "") -> Ran:
    """Run `streamgauge` with these words."""
    options = () if endpoint is None else ("--endpoint", endpoint)
    environment = {"PATH": "/usr/bin:/bin", **({"STREAMGAUGE_TOKEN": token} if token else {})}
    done = subprocess.run(
        [*COMMAND, *options, *words],
        input=stdin.encode(),
        capture_output=True,
        timeout=60,
        env=environment,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(), done.stdout)


def ask(product: Product, *words: str, stdin: str = "") -> Ran:
    """Run a client command of `streamgauge` against this product."""
    return command(*words, endpoint=f"http://{product.http}", stdin=stdin)


def rows(client: Client, sql: str) -> list[list[Any]]:
    """The rows of a query; none while the server does not answer, or there is no table yet."""
    try:
        found: list[list[Any]] = client.post("v1", "query", body={"sql": sql}).json()["rows"]
    except (ServerUnreachable, ServerRefused):
        return []
    return found


def count(product: Product, where: str = "", table: str = '"farm"."climate"') -> int:
    """How many rows there are; -1 while nobody can tell."""
    with product.client() as client:
        found = rows(client, f"SELECT COUNT(*) AS n FROM {table} {where}")
    return int(found[0][0]) if found else -1


class Device:
    """A paho client, connected; what it publishes is acknowledged when `publish` returns."""

    def __init__(self, product: Product, user: tuple[str, str] | None = None, **options: Any) -> None:
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, **options)
        if user is not None:
            self.client.username_pw_set(*user)
        host, _, port = product.mqtt.rpartition(":")
        self.client.connect(host, int(port))
        self.client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        disconnect(self.client)

    def publish(self, mqtt_topic: str, *bodies: Any, qos: int = 1) -> None:
        """Publish all of these (bytes as they are, anything else as JSON), then wait."""
        payloads = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        for waiting in [self.client.publish(mqtt_topic, payload, qos=qos) for payload in payloads]:
            waiting.wait_for_publish(60)
            assert waiting.is_published(), mqtt_topic


def now_ms() -> int:
    return time.time_ns() // 10**6


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def listening(pid: int) -> set[int]:
    """The TCP ports a process listens on."""
    connections = psutil.Process(pid).net_connections(kind="tcp")
    return {entry.laddr.port for entry in connections if entry.status == psutil.CONN_LISTEN}
