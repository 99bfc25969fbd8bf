"""The cost of the listener: CPU time of the gateway per message, parse and PUBACK, with a log that is durable at once.

    .venv/bin/python benchmarks/gateway_parse.py [--seconds 3] [--connections 5000]

The gateway runs in its own process, so that its CPU time is measured alone; the sender's packets are encoded
beforehand. *bulk*: 20 connections, each with a window of 500 messages. *single*: many connections, one message at a
time on each.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import selectors
import socket
import time
from multiprocessing.connection import Connection

import repository  # noqa: F401  # for tests.support
import uvloop

from pipeline.base.arrival import host_stamps
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.open_files import raise_limit
from pipeline.gateway.serve import serve
from tests.support.mqtt_packets import connect, publish

PAYLOAD = b'{"ts":1758639600000,"temperature":21.43,"humidity":55.1,"co2":612,"soil_moisture":0.312}'
PUBACK_BYTES = 4


class NullAppender:
    """An appender whose log is always durable."""

    offset = 0

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    def append(self, _topic: str, _value: bytes, _partition: int = 0) -> asyncio.Future[int]:
        """Done at once."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_result(self.offset)
        self.offset += 1
        return future


def gateway(pipe: Connection) -> None:
    """The measured process: sends its port, and its CPU seconds and memory on request."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def answer() -> None:
            if pipe.recv() == "stop":
                stop.set()
            usage = resource.getrusage(resource.RUSAGE_SELF)
            pipe.send((usage.ru_utime, usage.ru_stime, usage.ru_maxrss))

        loop.add_reader(pipe.fileno(), answer)
        settings = ListenerSettings(port=0, receive_maximum=65_535)
        await serve(settings, NullAppender(), stamps=host_stamps(), stop=stop, on_listening=pipe.send)

    uvloop.run(main())


class Device:
    """One connection, with at most `window` messages in flight."""

    def __init__(self, port: int, number: int, version: Version, window: int) -> None:
        ids = range(1, window + 1)
        topic = f"greenhouse/eu-west/gh-{number % 100}/zone-{number % 7}/s-{number}"
        self.burst = b"".join(publish(topic, PAYLOAD, packet_id=i, version=version) for i in ids)
        self.window = window
        self.owed_bytes = 0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(connect(f"device-{number}", version, keep_alive_s=600))
        connack = self.socket.recv(100)  # arrives in one piece on loopback
        assert len(connack) == 2 + connack[1], connack

    def send(self) -> None:
        """Send a whole window."""
        self.socket.sendall(self.burst)
        self.owed_bytes = self.window * PUBACK_BYTES

    def received(self) -> int:
        """The number of messages acknowledged when the window is complete; 0 before."""
        self.owed_bytes -= len(self.socket.recv(1 << 16))
        return 0 if self.owed_bytes else self.window


def measure(name: str, version: Version, connections: int, window: int, seconds: float) -> None:
    """Print one line: messages/s and CPU time of the gateway per message."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=gateway, args=(theirs,))
    process.start()
    port = ours.recv()
    devices = [Device(port, number, version, window) for number in range(connections)]
    selector = selectors.DefaultSelector()
    for device in devices:
        selector.register(device.socket, selectors.EVENT_READ, device)
    for device in devices:  # warm: every name known
        device.send()
    before, messages, began_s = (0.0, 0.0, 0), 0, 0.0
    warm_s = time.monotonic() + 0.3
    end_s = warm_s + seconds
    while (now_s := time.monotonic()) < end_s:
        if not began_s and now_s > warm_s:
            ours.send("usage")
            before, messages, began_s = ours.recv(), 0, now_s
        for key, _ in selector.select(0.1):
            done = key.data.received()
            if done:
                messages += done
                key.data.send()
    rate = messages / (time.monotonic() - began_s)
    ours.send("usage")
    after = ours.recv()
    user_us, system_us = ((after[i] - before[i]) / messages * 1e6 for i in (0, 1))
    print(
        f"{name:8}{version.name:8}{connections:6} connections {rate:9.0f} messages/s "
        f"{user_us + system_us:6.2f} µs/message (user {user_us:5.2f}, system {system_us:5.2f}), {after[2] >> 10} MiB",
        flush=True,
    )
    for device in devices:
        device.socket.close()
    ours.send("stop")
    process.join()


def main() -> None:
    """Measure both shapes in both versions."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=3)
    arguments.add_argument("--connections", type=int, default=5_000)
    options = arguments.parse_args()
    raise_limit()
    for version in Version:
        measure("bulk", version, 20, 500, options.seconds)
        measure("single", version, options.connections, 1, options.seconds)


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
