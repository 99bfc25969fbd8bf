r"""Publishes QoS 1 messages at any rate, with less CPU than a server needs to receive them.

    python benchmarks/fast_sender.py --mqtt 127.0.0.1:1883 --rate 20000 --seconds 30
    python benchmarks/fast_sender.py --connections 10000 --rate 20000 --accounts 10
    python benchmarks/fast_sender.py --connections 200 --rate 5000 --tables 10 --ids --late 0.05 --resend 0.01 \
        --acked-ids acked.npy --unknown-ids unknown.npy

MQTT 3.1.1. Sensors are shuffled, and each belongs to one connection; connection n has the account n % accounts. A lost
connection is opened again, and its in-flight messages are sent again (DUP). The result is JSON. An id is either
acknowledged or *unknown*: sent without a PUBACK, so that it may be stored or not.

Exit codes: 0 all acknowledged, 1 some ids are unknown at the end, 2 wrong usage, 3 the server cannot be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np
from sending.latency import Latencies
from sending.messages import FIRST_ID, Ints, Messages, Shape
from sending.sockets import KEEP_ALIVE_S, Refused, Sockets, State
from sending.window import OutOfOrder, Window

from simulators import packets

BULK_WINDOW, DEVICE_WINDOW = 2000, 16
BULK_CONNECTIONS = 1000  # more connections represent devices
TICK_S = 0.004  # at a given rate, messages are written this often
READ_EVERY_S = (
    0.001  # the interval of reading PUBACKs: many together cost less, and latencies are overestimated by at most this
)
MOST_PER_ROUND = 4000


class Unreachable(Exception):
    """Not all connections could be opened in time."""


class Sender:
    """One run: `run` publishes, `result` has the results."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        shape = Shape(options.sensors, options.tables, options.prefix, options.ids, options.first_id, options.hot)
        self._messages, self._templates = Messages(shape), shape.templates()
        rng = np.random.default_rng(options.seed)
        self.window = Window(
            self._messages,
            sensors=options.sensors,
            connections=options.connections,
            window=options.window,
            late=options.late,
            late_by_ms=round(options.late_by * 1000),
            resend=options.resend,
            start_ms=time.time_ns() // 1_000_000,
            rng=rng,
        )
        self._sockets = Sockets(options.mqtt, _connects(options), self._send_again)
        self._latencies = Latencies()
        self._turn = rng.permutation(options.connections)
        self._position = 0
        self._stopped = False
        self._began_s = self._ended_s = self._shown_s = time.monotonic()
        self._began_cpu_s = 0.0

    def run(self) -> None:
        """Open all connections, publish, and wait for in-flight messages. Raises Unreachable, Refused, OutOfOrder."""
        self._open_all()
        self._began_s, self._began_cpu_s = time.monotonic(), time.process_time()
        while not self._stopped and not self._is_done():
            next_tick_s = time.monotonic() + TICK_S
            if self._options.rate:
                self._send_round()
                while (left_s := next_tick_s - time.monotonic()) > 0:
                    time.sleep(min(left_s, READ_EVERY_S))
                    self._receive(max(0.0, next_tick_s - time.monotonic()))
            else:
                self._receive(0 if self._send_round() else TICK_S)
        self._ended_s = time.monotonic()
        deadline_s = self._ended_s + self._options.drain
        while self.window.in_flight and time.monotonic() < deadline_s:
            self._receive(TICK_S)
        self._sockets.close()

    def stop(self, *_: object) -> None:
        """Stop publishing; `run` returns when in-flight messages are acknowledged."""
        self._stopped = True

    def result(self) -> dict[str, object]:
        """What was sent and acknowledged, and its cost."""
        window, usage = self.window, resource.getrusage(resource.RUSAGE_SELF)
        elapsed_s = self._ended_s - self._began_s
        cpu_s = time.process_time() - self._began_cpu_s  # of publishing, without preparing and connecting
        return {
            "messages": window.numbers,
            "acknowledged": len(window.acknowledged()),
            "unknown": len(window.unknown()),
            "packets": window.packets,
            "late": window.late_messages,
            "resent": window.resent,
            "retransmitted": window.retransmitted,
            "connections_lost": self._sockets.lost,
            "seconds": round(elapsed_s, 3),
            "messages_per_s": round(window.numbers / elapsed_s, 1),
            "behind": max(0, self._due() - window.packets) if self._options.rate else None,
            "puback_ms": self._latencies.as_ms(),
            "cpu_s": round(cpu_s, 3),
            "cpu_s_per_100000": round(cpu_s / max(window.packets, 1) * 100_000, 3),
            "peak_rss_bytes": usage.ru_maxrss * 1024,
            "payload_bytes": self._messages.payload_bytes,
            "packet_bytes": self._messages.size_bytes,
            "first_id": self._options.first_id,
            "topic_templates": self._templates,
            "connections": self._options.connections,
            "window": self._options.window,
        }

    def _open_all(self) -> None:
        deadline_s = time.monotonic() + self._options.connect_timeout
        while self._sockets.ready < self._options.connections:
            if self._stopped or time.monotonic() > deadline_s:
                host, port = self._options.mqtt
                raise Unreachable(
                    f"{host}:{port}: {self._sockets.ready} of {self._options.connections} connections open"
                )
            self._receive(0.05)

    def _is_done(self) -> bool:
        if self._options.messages is not None and self.window.numbers >= self._options.messages:
            return True
        return bool(time.monotonic() - self._began_s >= self._options.seconds)

    def _due(self) -> int:
        elapsed_s = min(time.monotonic() - self._began_s, self._options.seconds)
        return int(elapsed_s * self._options.rate)

    def _send_round(self) -> bool:
        """Write the messages that are due and allowed; returns whether these were all that are due."""
        due = self._due() - self.window.packets if self._options.rate else MOST_PER_ROUND
        if self._options.messages is not None:
            due = min(due, self._options.messages - self.window.numbers)
        due = min(due, MOST_PER_ROUND)
        if due <= 0:
            return False
        connections, counts = self._share(due)
        if not len(connections):
            return False
        data = self.window.produce(connections, counts, time.time_ns() // 1_000_000).data.cast("B")
        times_s, start = [], 0
        for connection, size in zip(connections.tolist(), (counts * self._messages.size_bytes).tolist(), strict=True):
            times_s.append(time.monotonic())
            self._sockets.write(connection, data[start : start + size])
            start += size
        self.window.sent(connections, counts, np.array(times_s))
        return int(counts.sum()) == due

    def _share(self, due: int) -> tuple[Ints, Ints]:
        """How many of `due` messages each connection sends: in turns, as far as windows and sockets allow."""
        n = self._options.connections
        each, rest = divmod(due, n)
        if each:
            connections = np.roll(self._turn, -self._position)
            counts = np.full(n, each)
            counts[:rest] += 1
        else:
            connections = self._turn[(self._position + np.arange(rest)) % n]
            counts = np.ones(rest, dtype=np.int64)
        self._position = (self._position + rest) % n
        window = self.window
        free = window.size - (window.head[connections] - window.tail[connections])
        free[self._sockets.state[connections] != State.READY] = 0
        counts = np.minimum(np.minimum(counts, free), window.sensors_per_connection)
        may = counts > 0
        return connections[may], counts[may]

    def _receive(self, timeout_s: float) -> None:
        self._sockets.open_due()
        numbers, received = self._sockets.poll(timeout_s)
        now_s = time.monotonic()
        if numbers:
            packed = np.frombuffer(b"".join(received), dtype=np.uint8).reshape(-1, 4)
            if (packed[:, 0] != packets.PUBACK).any() or (packed[:, 1] != 2).any():
                raise OutOfOrder("the server sent something else than PUBACKs of MQTT 3.1.1")
            ids = packed[:, 2].astype(np.int64) << 8 | packed[:, 3]
            counts = np.array([len(data) // 4 for data in received])
            self._latencies.add(self.window.acknowledge(np.array(numbers), counts, ids, now_s))
        if self._options.progress and now_s - self._shown_s >= self._options.progress:
            self._shown_s = now_s
            self._show_progress()

    def _send_again(self, connection: int) -> None:
        if self.window.head[connection] > self.window.tail[connection]:
            self._sockets.write(connection, self.window.again(connection, time.monotonic()).tobytes())

    def _show_progress(self) -> None:
        line = {
            "time_ms": time.time_ns() // 1_000_000,
            "messages": self.window.numbers,
            "acknowledged": len(self.window.acknowledged()),
            "ready_connections": self._sockets.ready,
        }
        print(json.dumps(line), file=sys.stderr, flush=True)


def _connects(options: argparse.Namespace) -> list[bytes]:
    """Each connection's CONNECT."""
    prefix = f"sender-{os.getpid()}"
    connects = []
    for number in range(options.connections):
        account = number % options.accounts if options.accounts else None
        connects.append(
            packets.connect(
                f"{prefix}-{number}",
                level=4,
                keep_alive_s=KEEP_ALIVE_S,
                username=None if account is None else options.username.format(n=account),
                password=None if account is None else options.password.format(n=account),
            )
        )
    return connects


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--mqtt", default="127.0.0.1:1883", metavar="HOST:PORT")
    add("--connections", type=int, default=20, metavar="N")
    add("--sensors", type=int, default=100_000, metavar="N", help="a multiple of --connections (default 100000)")
    add("--rate", type=float, default=0.0, metavar="R", help="packets per second; 0: flat out (default)")
    add("--seconds", type=float, default=float("inf"), metavar="S", help="how long to send")
    add("--messages", type=int, metavar="N", help="how many messages to send")
    add("--window", type=int, metavar="N", help="packets in flight per connection")
    add("--accounts", type=int, default=0, metavar="N", help="accounts, by user name; 0: anonymous (default)")
    add("--username", default="farm-{n}", metavar="TEMPLATE", help="{n} is the account's number (default farm-{n})")
    add("--password", default="secret-{n}", metavar="TEMPLATE", help="(default secret-{n})")
    add("--tables", type=int, default=1, metavar="N", help="tables, by the MQTT topic's first level")
    add("--prefix", default="greenhouse", help="first level of MQTT topics; of several tables: PREFIX-00 …")
    add("--ids", action="store_true", help='put a unique "id" into each message')
    add("--first-id", type=int, default=FIRST_ID, metavar="N", help="ten digits; for several runs into one store")
    add("--late", type=float, default=0.0, metavar="RATIO", help="messages whose time is in the past")
    add("--late-by", type=float, default=600.0, metavar="S", help="how far (default 600)")
    add("--resend", type=float, default=0.0, metavar="RATIO", help="packets that repeat an earlier message")
    add("--hot", type=float, default=0.0, metavar="RATIO", help="messages with a temperature of 45 °C")
    add("--seed", type=int, default=1)
    add("--drain", type=float, default=30.0, metavar="S", help="how long to wait for the last PUBACKs (default 30)")
    add("--connect-timeout", type=float, default=60.0, metavar="S")
    add("--acked-ids", type=Path, metavar="FILE", help="write acknowledged ids: .txt, a line each; else a numpy file")
    add("--unknown-ids", type=Path, metavar="FILE", help="likewise those sent and not acknowledged")
    add("--progress", type=float, default=0.0, metavar="S", help="a line of JSON on stderr so often")
    add("--out", type=Path, metavar="FILE", help="write the result here instead of to stdout")
    options = parser.parse_args(arguments)
    _check(parser, options)
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    host, _, port = options.mqtt.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"--mqtt {options.mqtt} is not HOST:PORT")
    options.mqtt = (host, int(port))
    if options.connections < 1 or options.sensors < 1 or options.sensors % options.connections:
        parser.error(f"--sensors {options.sensors} is not a multiple of --connections {options.connections}")
    if options.accounts and options.connections % options.accounts:
        parser.error(f"--connections {options.connections} is not a multiple of --accounts {options.accounts}")
    if options.sensors > 1_000_000 or not 1 <= options.tables <= 100:
        parser.error("at most 1,000,000 sensors and 100 tables")
    if options.seconds == float("inf") and options.messages is None:
        options.seconds = 10.0
    if options.window is None:
        options.window = DEVICE_WINDOW if options.connections >= BULK_CONNECTIONS else BULK_WINDOW
    if not 1 <= options.window <= packets.MAX_PACKET_ID:
        parser.error(f"--window {options.window} is not from 1 to {packets.MAX_PACKET_ID}")
    if not FIRST_ID <= options.first_id < 9 * FIRST_ID:
        parser.error(f"--first-id {options.first_id} is not from {FIRST_ID} to {9 * FIRST_ID - 1}")
    if (options.acked_ids or options.unknown_ids) and not options.ids:
        parser.error("--acked-ids and --unknown-ids need --ids")


def _write_ids(file: Path | None, ids: Ints) -> None:
    if file is None:
        return
    if file.suffix == ".txt":
        file.write_text("".join(f"{number}\n" for number in ids.tolist()), encoding="ascii")
    else:
        np.save(file, ids)


def main(arguments: list[str] | None = None) -> int:
    """Run with these arguments; returns the exit code."""
    options = _options(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sender = Sender(options)
    signal.signal(signal.SIGINT, sender.stop)
    signal.signal(signal.SIGTERM, sender.stop)
    try:
        sender.run()
    except (Unreachable, Refused, OutOfOrder) as error:
        print(f"fast_sender: {error}", file=sys.stderr)
        return 3
    _write_ids(options.acked_ids, options.first_id + sender.window.acknowledged())
    _write_ids(options.unknown_ids, options.first_id + sender.window.unknown())
    text = json.dumps(sender.result(), indent=1) + "\n"
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.write_text(text, encoding="utf-8")
    return 1 if len(sender.window.unknown()) else 0


if __name__ == "__main__":
    sys.exit(main())
