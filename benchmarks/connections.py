"""Device connections: memory and CPU of the gateways for each, a round of single messages, and a storm of reconnects.

    .venv/bin/python benchmarks/connections.py --connections 15000 --storm 15000                # one gateway
    .venv/bin/python benchmarks/connections.py --connections 100000 --gateways 6 --storm 20000  # 2 minutes

Each device has one connection, from one of many addresses of 127.0.0.0/8. They connect, publish one QoS 1 message each,
three rounds; then some lose their connections at once and connect again: until the last of them has its CONNACK. As
many processes hold the connections as there are gateways: the limit of open files is for each process, and those of a
gateway must be less than it (`ulimit -Hn`).
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import repository  # noqa: F401  # for tests.support

from pipeline.gateway.open_files import raise_limit
from simulators import packets
from tests.support.product import Product

TOGETHER = 500  # connections that wait for their CONNACKs at the same time, in each process
ROUNDS = 3
PAYLOAD = b'{"temperature": 21.4, "humidity": 40.1, "co2": 712, "soil_moisture": 0.31}'
CONNACK_BYTES = PUBACK_BYTES = 4
KEEP_ALIVE_S = 600


@dataclass
class Devices:
    """Devices `first` and following, each with its connection. A process that `main` tells what to do."""

    address: tuple[str, int]
    first: int
    sockets: list[socket.socket] = field(default_factory=list)

    def connect(self, count: int) -> None:
        """Connect so many more."""
        while count:
            opened = [self._open(self.first + len(self.sockets) + n) for n in range(min(count, TOGETHER))]
            self.sockets += opened
            for device in opened:
                self._read(device, CONNACK_BYTES)
            count -= len(opened)

    def publish(self, packet_id: int) -> None:
        """Publish one message of each, and wait for all PUBACKs."""
        for number, device in enumerate(self.sockets, start=self.first):
            topic = b"greenhouse/region-1/gh-%d/zone-%d/s-%06d" % (number % 300, number % 1200, number)
            device.sendall(
                packets.publish(packets.string(topic), packet_id.to_bytes(2), PAYLOAD, qos=1, properties=b"")
            )
        for device in self.sockets:
            self._read(device, PUBACK_BYTES)

    def lose(self, count: int) -> None:
        """Lose the last connections."""
        for device in self.sockets[len(self.sockets) - count :]:
            device.close()
        del self.sockets[len(self.sockets) - count :]

    def _open(self, number: int) -> socket.socket:
        device = socket.socket()
        device.bind((f"127.1.{number // 200 % 250}.{1 + number % 200}", 0))
        device.connect(self.address)
        device.sendall(
            packets.connect(f"dev-{number}", level=4, keep_alive_s=KEEP_ALIVE_S, username=None, password=None)
        )
        return device

    def _read(self, device: socket.socket, wanted: int) -> None:
        while wanted:
            received = device.recv(wanted)
            if not received:
                raise ConnectionError("the gateway closed a connection")
            wanted -= len(received)


def hold(mqtt: str, first: int) -> None:
    """Do what each line of standard input says, and tell when it is done."""
    raise_limit()
    host, _, port = mqtt.rpartition(":")
    devices = Devices((host, int(port)), first)
    for line in sys.stdin:
        what, number = line.split()
        getattr(devices, what)(int(number))
        print("done", flush=True)


class Holders:
    """The processes of the devices."""

    def __init__(self, mqtt: str, count: int, connections: int) -> None:
        self._share = connections // count
        self._processes = [
            subprocess.Popen(
                [sys.executable, __file__, "--hold", mqtt, str(number * self._share)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(count)
        ]

    def do(self, what: str, number: int) -> float:
        """Have all do it at the same time; returns the seconds until the last was done."""
        began_s = time.monotonic()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{what} {number}\n")
            process.stdin.flush()
        for process in self._processes:
            assert process.stdout is not None
            if process.stdout.readline() != "done\n":
                raise RuntimeError(f"{what}: a process of the devices has ended")
        return time.monotonic() - began_s

    def stop(self) -> None:
        """End them."""
        for process in self._processes:
            process.kill()
            process.wait()


@dataclass
class Gateways:
    """The processes of the gateways."""

    processes: list[psutil.Process]

    @property
    def cpu_s(self) -> float:
        """Their CPU seconds so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    @property
    def rss(self) -> int:
        """Their memory, in bytes."""
        return sum(int(process.memory_info().rss) for process in self.processes)


def main() -> int:
    """Run and print; 0."""
    if sys.argv[1:2] == ["--hold"]:
        hold(sys.argv[2], int(sys.argv[3]))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connections", type=int, default=15_000)
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--storm", type=int, default=15_000, help="connections that are lost at once")
    options = parser.parse_args()
    config = {
        "listener": {"address": "127.0.0.1:0", "gateways": options.gateways},
        "http": {"address": "127.0.0.1:0"},
        "tables": [{"name": "agriculture.readings", "topics": "greenhouse/{region}/{greenhouse}/{zone}/{sensor}"}],
    }
    with tempfile.TemporaryDirectory() as folder, Product(Path(folder), json.dumps(config)) as product:
        names = ["gateway"] if options.gateways == 1 else [f"gateway-{n + 1}" for n in range(options.gateways)]
        gateways = Gateways([psutil.Process(product.pid(name)) for name in names])
        holders = Holders(product.mqtt, options.gateways, options.connections)
        try:
            measure(gateways, holders, options)
        finally:
            holders.stop()
    return 0


def measure(gateways: Gateways, holders: Holders, options: argparse.Namespace) -> None:
    """The rounds, one line each."""
    share, of_storm = options.connections // options.gateways, options.storm // options.gateways
    empty = gateways.rss
    print(f"{'':34} {'s':>8} {'us CPU each':>12} {'MiB in all':>11} {'bytes a connection':>19}")

    def line(name: str, what: str, number: int, count: int) -> None:
        before_s = gateways.cpu_s
        seconds = holders.do(what, number)
        each_us = (gateways.cpu_s - before_s) / count * 1e6
        rss = gateways.rss
        bytes_each = (rss - empty) / options.connections
        print(f"{name:34} {seconds:8.2f} {each_us:12.1f} {rss / 2**20:11.0f} {bytes_each:19,.0f}", flush=True)

    line(f"{options.connections:,} connect", "connect", share, options.connections)
    for number in range(ROUNDS):
        line("one message each", "publish", number + 1, options.connections)
    holders.do("lose", of_storm)
    line(f"{options.storm:,} connect again", "connect", of_storm, options.storm)


if __name__ == "__main__":
    sys.exit(main())
