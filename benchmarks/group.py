"""Workers on Kafka: the gain from a second one, and how soon another takes over from one that is killed.

    .venv/bin/python benchmarks/group.py                      # about 3 minutes; needs Java and Maven
    .venv/bin/python benchmarks/group.py --messages 400000

*drain*: messages are acknowledged into Kafka while no worker runs; then one worker (the baseline), or two, process
them, with rules: messages/s from the first that is normalised to the last that is stored. *take-over*: one of two
workers under load is SIGKILLed; seconds until a query of the other counts everything acknowledged before the kill, and
until one counts a message acknowledged after it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import repository  # noqa: F401  # for tests.support

from pipeline.base.errors import ServerRefused, ServerUnreachable
from tests.support.group_product import GroupProduct, Part
from tests.support.kafka_broker import Broker, running_broker
from tests.support.waiting import wait_for

SENDER = Path(__file__).with_name("fast_sender.py")
PARTITIONS = 4
COUNTED = re.compile(r"^streamgauge_stream_messages_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
TABLE = {
    "name": "agriculture.readings",
    "topics": "greenhouse/{region}/{greenhouse}/{zone}/{sensor}",
    "zone": "{greenhouse}/{zone}",
    "time": {"field": "ts", "unit": "ms"},
}
RULES = """\
groups:
  - name: climate
    table: agriculture.readings
    rules:
      - {alert: TooHot, measure: temperature, range: {min: -10, max: 60}, clear: {min: -8, max: 58}, for: 2m}
      - {alert: HeatingRunaway, measure: temperature, rate_of_change: {max: 500, per: 1m}}
"""


def main() -> int:
    """Run and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000, help="to drain (default 1,000,000)")
    parser.add_argument("--kills", type=int, default=3, help="of a worker, one after the other (default 3)")
    arguments = parser.parse_args()
    with running_broker() as broker:
        one, two = drain(broker, 1, arguments.messages), drain(broker, 2, arguments.messages)
        print_drain(one, two)
        print_takeover(take_over(broker, arguments.kills))
    return 0


@contextmanager
def group(broker: Broker, workers: int) -> Iterator[GroupProduct]:
    """Gateways and workers, not started."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(RULES)
        settings = broker.settings()
        log = {"url": broker.url, "partitions": PARTITIONS, "prefix": settings.prefix, "group": settings.group}
        product = GroupProduct(
            folder,
            {"log": log, "tables": [TABLE], "rules": [str(folder / "rules.yaml")]},
            gateways=2,
            workers=workers,
        )
        try:
            yield product
        finally:
            product.__exit__()


def send(product: GroupProduct, seconds: float, rate: int) -> dict[str, Any]:
    """Publish and wait for every PUBACK; returns the sender's counts."""
    options = {
        "--mqtt": product.mqtt, "--rate": rate, "--seconds": seconds, "--connections": 20,
        "--sensors": 100_000, "--drain": 120,
    }  # fmt: skip
    words = [str(word) for option in options.items() for word in option]
    output = subprocess.run([sys.executable, str(SENDER), *words], stdout=subprocess.PIPE, text=True, check=True).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def drain(broker: Broker, workers: int, messages: int) -> dict[str, float]:
    """How fast `workers` workers process the messages in the log."""
    with group(broker, workers) as product:
        for gateway in product.gateways:
            gateway.start()
        host, _, port = product.mqtt.rpartition(":")
        wait_for(lambda: any(c.laddr.port == int(port) for c in listening(product)), f"a gateway listens on {host}")
        total = send(product, messages / 50_000, 50_000)["acknowledged"]
        for worker in product.workers:
            worker.start()
        first, first_s, cpu_s = 0.0, 0.0, 0.0
        while True:
            done = sum(normalised(worker) for worker in product.workers)
            if not first and done:
                first, first_s, cpu_s = done, time.monotonic(), cpu(product.workers)
            if done >= total and all(behind(worker) == 0 for worker in product.workers):
                break
            time.sleep(0.02)
        elapsed_s = time.monotonic() - first_s
        return {
            "messages/s": (total - first) / elapsed_s,
            "CPU s per 100,000, workers": (cpu(product.workers) - cpu_s) / (total - first) * 100_000,
        }


def listening(product: GroupProduct) -> list[Any]:
    """The sockets that the gateways listen on."""
    return [
        connection
        for gateway in product.gateways
        for connection in psutil.Process(gateway.pid).net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]


def cpu(parts: list[Part]) -> float:
    """CPU seconds of these processes."""
    times = [psutil.Process(part.pid).cpu_times() for part in parts]
    return float(sum(of.user + of.system for of in times))


def normalised(worker: Part) -> float:
    """The number of messages that it has normalised."""
    try:
        with urllib.request.urlopen(f"http://{worker.http}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    return sum(float(value) for value in COUNTED.findall(text))


def behind(worker: Part) -> int:
    """The number of frames that it has not applied yet."""
    try:
        with worker.client() as client:
            return int(client.get("readyz")["frames_behind"])
    except (ServerUnreachable, ServerRefused):
        return -1


def count(worker: Part) -> int:
    """The number of rows that it returns; -1 while it cannot answer."""
    sql = 'SELECT COUNT(*) AS n FROM "agriculture"."readings"'
    try:
        with worker.client() as client:
            return int(client.post("v1", "query", body={"sql": sql}).json()["rows"][0][0])
    except (ServerUnreachable, ServerRefused):
        return -1


def take_over(broker: Broker, kills: int) -> list[tuple[float, float]]:
    """(seconds until old rows are answered, seconds until a new one is) after each kill."""
    found = []
    with group(broker, 2) as product:
        product.start()
        total = 0
        for number in range(kills):
            victim, other = product.workers[number % 2], product.workers[1 - number % 2]
            wait_for(lambda: all(of.is_answering() for of in product.workers), "both answer", timeout_s=60)
            total += send(product, 3, 2_000)["acknowledged"]
            wait_for(lambda other=other, total=total: count(other) == total, "all is there", timeout_s=60)  # type: ignore[misc]
            victim.kill()
            killed_s = time.monotonic()
            wait_for(lambda other=other, total=total: count(other) == total, "taken over", timeout_s=60)  # type: ignore[misc]
            old_s = time.monotonic() - killed_s
            total += send(product, 0.1, 1_000)["acknowledged"]
            wait_for(lambda other=other, total=total: count(other) == total, "read on", timeout_s=60)  # type: ignore[misc]
            found.append((old_s, time.monotonic() - killed_s))
            victim.start()
    return found


def print_drain(one: dict[str, float], two: dict[str, float]) -> None:
    """One worker compared with two."""
    print(f"\ndrain, {PARTITIONS} partitions, on {psutil.cpu_count()} cores that Kafka shares")
    print(f"  {'':36} {'one worker':>12} {'two workers':>12} {'ratio':>8}")
    for name, result in one.items():
        print(f"  {name:36} {result:12,.2f} {two[name]:12,.2f} {two[name] / result:8.2f}")


def print_takeover(found: list[tuple[float, float]]) -> None:
    """The results of each kill."""
    print("\ntake-over after SIGKILL, s (its host refuses connections; without that, Kafka waits 6 s)")
    print(f"  {'everything from before is answered':36} " + "  ".join(f"{old_s:6.1f}" for old_s, _ in found))
    print(f"  {'a message from after is answered':36} " + "  ".join(f"{new_s:6.1f}" for _, new_s in found))


if __name__ == "__main__":
    sys.exit(main())
