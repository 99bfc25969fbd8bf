"""Messages/s and CPU through Mosquitto: our gateway beside a bare paho subscriber that only counts.

    .venv/bin/python benchmarks/brokers.py [-n MESSAGES] [-r ROUNDS]

Each round publishes the same messages while the subscriber is away, so that
they wait in Mosquitto, and then measures how fast they are taken: the publisher costs nothing meanwhile. The bare
subscriber (the baseline) is paho's own `loop_forever`, which acknowledges by itself and keeps nothing; the gateway
writes all to its log first. Only the gateway runs, with no worker, so that the figure is the subscriber's alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import paho.mqtt.client as mqtt
import uvloop
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from rich.console import Console
from rich.table import Table

from pipeline import metrics
from pipeline.brokers.settings import RECEIVE_MAXIMUM, BrokerSettings
from pipeline.gateway.serve import serve
from pipeline.gateway.settings import ListenerSettings
from pipeline.log import open_appender
from pipeline.log.settings import LogSettings
from pipeline.testing import wait_for

BARE, GATEWAY = "bare", "gateway"
PAYLOAD = b'{"ts": 1795466522826, "temperature": 21.4, "humidity": 61.2, "co2": 560, "soil_moisture": 0.31}'


@dataclass(frozen=True)
class Taken:
    """What a subscriber did with the messages of one round."""

    messages_s: float
    cpu_s: float


def properties() -> Properties:
    """Of both subscribers' sessions."""
    wanted = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    wanted.ReceiveMaximum = RECEIVE_MAXIMUM
    wanted.SessionExpiryInterval = 3_600
    return wanted


def subscriber(port: int) -> mqtt.Client:
    """A bare client with a session of its own, connected."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=BARE, protocol=mqtt.MQTTv5)
    client.connect("127.0.0.1", port, clean_start=False, properties=properties())
    return client


def take_bare(port: int, count: int, tell: Connection) -> None:
    """Count `count` messages with paho alone, as its manual shows it."""
    client = subscriber(port)
    left = count
    began_s = time.monotonic()

    def on_message(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            client.disconnect()

    client.on_message = on_message
    cpu_s = time.process_time()
    client.loop_forever()
    tell.send(Taken(count / (time.monotonic() - began_s), time.process_time() - cpu_s))


def take_by_gateway(port: int, count: int, folder: Path, tell: Connection) -> None:
    """Take `count` messages into a log, and acknowledge them."""
    uvloop.run(_gateway(port, count, folder, tell))


async def _gateway(port: int, count: int, folder: Path, tell: Connection) -> None:
    appender = open_appender(LogSettings(f"local://{folder / 'log'}"))
    await appender.start()
    stop = asyncio.Event()
    broker = BrokerSettings("127.0.0.1", port, ("greenhouse/#",), client_id=GATEWAY)
    acks = metrics.broker_acks.labels(broker.name)
    began_s, cpu_s = time.monotonic(), time.process_time()

    async def watch() -> None:
        while acks._value.get() < count:  # noqa: ASYNC110, SLF001  # the counter tells nobody
            await asyncio.sleep(0.005)
        tell.send(Taken(count / (time.monotonic() - began_s), time.process_time() - cpu_s))
        stop.set()

    watching = asyncio.create_task(watch())
    settings = ListenerSettings(port=0)
    await serve(settings, appender, clock_ns=time.time_ns, stop=stop, brokers=[broker], brokers_folder=folder / "who")
    await watching
    await appender.stop()


def in_process(target: object, *arguments: object) -> Taken:
    """What `target` tells at its end, run in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(*arguments, theirs))  # type: ignore[arg-type]
    process.start()
    try:
        if not ours.poll(300):
            raise TimeoutError(f"{target}: no result within 300 s")
        taken: Taken = ours.recv()
        process.join(30)
        return taken
    finally:
        process.kill()


def subscribe(port: int, client_id: str) -> None:
    """Make a session that waits for messages."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
    granted: list[object] = []
    client.on_subscribe = lambda *_: granted.append(1)
    client.connect("127.0.0.1", port, clean_start=False, properties=properties())
    client.subscribe("greenhouse/#", 1)
    while not granted:
        client.loop(0.1)
    client.disconnect()


def fill(port: int, count: int) -> None:
    """Publish `count` messages and wait until the broker has acknowledged all."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(1_000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish(f"greenhouse/eu/gh-1/north/s-{n % 5_000}", PAYLOAD, qos=1) for n in range(count)]
    for message in sent:
        message.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def measure(port: int, count: int, folder: Path) -> dict[str, Taken]:
    """One round of both."""
    for client_id in (BARE, GATEWAY):
        subscribe(port, client_id)
    fill(port, count)
    return {
        BARE: in_process(take_bare, port, count),
        GATEWAY: in_process(take_by_gateway, port, count, folder),
    }


def mosquitto(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Mosquitto without limits of its own, and its port."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        sys.exit("Mosquitto is not installed")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    process = subprocess.Popen([program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: _accepts(port), "mosquitto accepts connections")
    return process, port


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def show(rounds: list[dict[str, Taken]], count: int) -> None:
    """The medians, and their ratios to the baseline."""
    rate = {who: statistics.median(one[who].messages_s for one in rounds) for who in (BARE, GATEWAY)}
    cpu = {who: statistics.median(one[who].cpu_s for one in rounds) * 100_000 / count for who in (BARE, GATEWAY)}
    table = Table(
        "", "messages/s", "ratio", "CPU s per 100,000", "ratio", title=f"{count:,} messages through Mosquitto"
    )
    for who, words in ((BARE, "bare paho subscriber, counts only"), (GATEWAY, "gateway: in the log, acknowledged")):
        table.add_row(
            words,
            f"{rate[who]:,.0f}",
            f"{rate[who] / rate[BARE]:.2f}",
            f"{cpu[who]:.2f}",
            f"{cpu[who] / cpu[BARE]:.2f}",
        )
    Console().print(table)
    print(json.dumps({who: {"messages_s": rate[who], "cpu_s_per_100k": cpu[who]} for who in rate}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("-n", "--messages", type=int, default=50_000)
    parser.add_argument("-r", "--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="brokers-") as name:
        folder = Path(name)
        process, port = mosquitto(folder)
        try:
            rounds = [measure(port, options.messages, folder / f"{n}") for n in range(options.rounds)]
        finally:
            process.terminate()
            process.wait()
    show(rounds, options.messages)


if __name__ == "__main__":
    main()
