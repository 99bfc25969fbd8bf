"""Messages/s and CPU through Mosquitto into our gateway, compared with a bare paho subscriber that only counts.

    .venv/bin/python benchmarks/brokers.py [-s SECONDS] [--rate N]

Both receive what the fast sender publishes to Mosquitto (QoS 1), at full speed or at a rate, one after the other in the
same run, each with its own Mosquitto. The gateway writes to its log and acknowledges after the fsync; the bare
subscriber acknowledges at once. The rate is that of the subscriber, from its first thousand messages to its last;
`cores` shows which processes used the machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import repository  # noqa: F401  # for tests.support
from deployment import Usage, mosquitto
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from pipeline.base.layout import Layout
from tests.support.commands import COMMAND
from tests.support.waiting import wait_for

HERE = Path(__file__).parent
VERSIONS = ("5", "3.1.1")
STEP = 1000
Count = Callable[[], int | None]


@contextmanager
def bare(folder: Path, address: str, version: str) -> Iterator[tuple[int, Count]]:
    """Start the bare subscriber; returns its pid, and its count (None: not subscribed yet)."""
    counted = folder / "counted"

    def count() -> int | None:
        text = counted.read_text() if counted.exists() else ""
        return int(text) if text else None

    with _process([sys.executable, str(HERE / "bare_subscriber.py"), address, version, str(counted)], folder) as pid:
        yield pid, count


@contextmanager
def gateway(folder: Path, address: str, version: str) -> Iterator[tuple[int, Count]]:
    """Start our gateway with its log on disk; returns its pid, and its number of acknowledged messages."""
    config = folder / "streamgauge.yaml"
    broker = {"url": f"mqtt://{address}", "topics": ["#"], "version": version}
    config.write_text(json.dumps({"listener": {"address": "127.0.0.1:0"}, "brokers": [broker]}))
    layout = Layout(folder / "data")

    def count() -> int | None:
        if "subscribed to" not in (folder / "output").read_text():
            return None
        found = [
            sample.value
            for metric in MultiProcessCollector(CollectorRegistry(), path=str(layout.metrics)).collect()
            for sample in metric.samples
            if sample.name == "streamgauge_brokers_acknowledged_total"
        ]
        return int(sum(found))

    options = ["--config", str(config), "--data-dir", str(layout.data_dir)]
    with _process([*COMMAND, "gateway", *options], folder) as pid:
        yield pid, count


@contextmanager
def _process(command: list[str], folder: Path) -> Iterator[int]:
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def measure(subscriber: Callable[..., object], version: str, seconds: float, rate: int) -> dict[str, float]:
    """The results of one subscriber."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name), "max_queued_messages 0\n") as broker:
        if broker is None:
            sys.exit("Mosquitto is not installed")
        address, broker_pid = broker
        with subscriber(Path(name), address, version) as (pid, count):
            wait_for(lambda: count() is not None, "the subscriber is subscribed")
            usage = Usage({"subscriber": pid, "mosquitto": broker_pid})
            sending = subprocess.Popen(
                [sys.executable, str(HERE / "fast_sender.py"), "--mqtt", address, "--rate", str(rate),
                 "--seconds", str(seconds), "--connections", "20", "--sensors", "10000"],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            wait_for(lambda: (count() or 0) >= STEP, "the first messages", every_s=0.01)
            began_s, first = time.monotonic(), count() or 0
            sent = json.loads(sending.communicate()[0])["acknowledged"]
            last = wait_for(lambda: _done(count(), sent), f"all of {sent} messages", timeout_s=600)
            elapsed_s = time.monotonic() - began_s
            usage.stop()
    return {
        "messages": last,
        "messages/s": (last - first) / elapsed_s,
        "CPU s per 100,000": usage.cpu_s["subscriber"] / last * 100_000,
        "cores of it": usage.cpu_s["subscriber"] / elapsed_s,
        "cores of Mosquitto": usage.cpu_s["mosquitto"] / elapsed_s,
        "peak RSS, MiB": usage.peak_rss["subscriber"] / 2**20,
    }


def _done(count: int | None, sent: int) -> int:
    return count if count and count >= sent // STEP * STEP else 0


def main() -> None:
    """Measure both with both versions, and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-s", "--seconds", type=float, default=5.0, help="how long the sender publishes")
    parser.add_argument("--rate", type=int, default=0, help="messages/s; 0: flat out")
    parser.add_argument("--version", action="append", choices=VERSIONS, help="of MQTT; by default both")
    options = parser.parse_args()
    how = f"{options.rate:,} messages/s" if options.rate else "flat out"
    for version in options.version or VERSIONS:
        baseline = measure(bare, version, options.seconds, options.rate)
        ours = measure(gateway, version, options.seconds, options.rate)
        print(f"\nMQTT {version}, {how} through Mosquitto")
        print(f"  {'':24}{'streamgauge':>14}{'bare paho':>14}{'ratio':>8}")
        for quantity, value in ours.items():
            print(f"  {quantity:24}{value:14,.2f}{baseline[quantity]:14,.2f}{value / baseline[quantity]:8.2f}")


if __name__ == "__main__":
    main()
