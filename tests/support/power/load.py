"""What is published and written while a disk is recorded, and the marks that say what was promised by then.

Everything is derived from the numbers in the marks, so a reader of the journal knows what each message was. A gateway
appends the messages of a connection in order: what may be stored at a cut is a beginning of each connection's messages
that has all acknowledged ones.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from simulators import packets
from tests.support.power.journal import Record, Recorder

CONNECTIONS = 4
SENSORS = 5
LAST_S = 240.0  # for answers, while the product is started again and again
WINDOW = 12  # messages without a PUBACK, of a connection
MORE = 10 * SENSORS  # messages of a connection that go on after a power failure: alerts that fire are resolved
RULE_MAX = 100.0
STEP_MS = 1_000
BEFORE_MS = 6 * 3_600_000  # when the first message is from: none is from the future, however long it takes
DAY_MS = 86_400_000
DONE = {
    "CreateDatabase": {"ConflictException"},
    "CreateTable": {"ConflictException"},
    "DeleteTable": {"ResourceNotFoundException"},
    "WriteRecords": set(),
}
"""Answers to a request whose first try was not answered, and had been done."""
DATABASE, TABLE = "power", "readings"


@dataclass(frozen=True)
class Message:
    """The `number`th message of a connection, which is a site of its own."""

    connection: int
    number: int
    start_ms: int

    @property
    def sensor(self) -> int:
        return self.number % SENSORS

    @property
    def is_dead(self) -> bool:
        """Whether it is no JSON."""
        return self.number % 17 == 11

    @property
    def is_correction(self) -> bool:
        """Whether it adds a measure to an earlier row of its sensor."""
        return self.number % 13 == 12 and not self.is_dead and not self._base.is_dead

    @property
    def value(self) -> float:
        """Beyond the bounds for half a second and within them for half a second, so that saved state is of both."""
        return 150.0 if self.number // SENSORS % 16 >= 8 else self.number % 50

    @property
    def ts_ms(self) -> int:
        """Two of the sites are a day behind."""
        number = self._base.number if self.is_correction else self.number
        return self.start_ms - self.connection % 2 * DAY_MS + number * STEP_MS

    @property
    def key(self) -> tuple[int, int, int]:
        """Site, sensor and time: one row."""
        return self.connection, self.sensor, self.ts_ms

    @property
    def measures(self) -> dict[str, float]:
        if self.is_correction:
            return {"corrected": float(self.number)}
        return {"id": float(self.number), "value": float(self.value)}

    @property
    def topic(self) -> str:
        return f"power/{self.connection}/{self.sensor}"

    @property
    def payload(self) -> bytes:
        if self.is_dead:
            return b'{"dead": %d.' % self.number
        return json.dumps({"ts": self.ts_ms, **self.measures}).encode()

    @property
    def _base(self) -> Message:
        return Message(self.connection, self.number - 2 * SENSORS, self.start_ms)


class Publisher:
    """A connection that publishes with QoS 1 until it is stopped, and marks what it sends and what is acknowledged."""

    def __init__(self, recorder: Recorder, connection: int, start_ms: int, rate: float, first: int = 0) -> None:
        self._recorder = recorder
        self._connection = connection
        self._start_ms = start_ms
        self._every_s = 1 / rate
        self._next = self.acked = self._most = first  # to be sent next, acknowledged, ever sent

    def run(self, mqtt: str, stop: threading.Event) -> None:
        """Publish to the listener at `mqtt`; returns when it is stopped and all is acknowledged.

        What was not acknowledged when a connection is lost is sent again.
        """
        deadline = None
        while not stop.is_set() or self.acked < self._most:
            deadline = (deadline or time.monotonic() + LAST_S) if stop.is_set() else None
            assert deadline is None or time.monotonic() < deadline, "messages are not acknowledged"
            with suppress(OSError):
                self._connection_lost(mqtt, stop)
            self._next = self.acked
            if self.acked < self._most:
                time.sleep(0.1)

    def _connection_lost(self, mqtt: str, stop: threading.Event) -> None:
        """Publish until all is done or the connection is lost."""
        host, _, port = mqtt.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            name = f"power-{self._connection}"
            connection.sendall(packets.connect(name, level=4, keep_alive_s=60, username=None, password=None))
            if connection.recv(4)[3:] != b"\0":  # the log is full
                return
            left = b""
            while not stop.is_set() or self.acked < self._most:
                due = self._next < self._most or not stop.is_set()
                if due and self._next - self.acked < WINDOW:
                    self._send(connection)
                connection.settimeout(self._every_s if due else 5)
                with suppress(TimeoutError):
                    came = connection.recv(4096)
                    if not came:
                        return
                    left = self._take(left + came)

    def _send(self, connection: socket.socket) -> None:
        message = Message(self._connection, self._next, self._start_ms)
        self._recorder.mark(f"sent {self._connection} {self._next}")
        topic, packet_id = packets.string(message.topic), packet_id_of(self._next)
        connection.sendall(packets.publish(topic, packet_id, message.payload, qos=1, properties=b""))
        self._next += 1
        self._most = max(self._most, self._next)

    def _take(self, data: bytes) -> bytes:
        """Mark the PUBACKs, which come in order."""
        while len(data) >= 4:
            assert data[:4] == b"\x40\x02" + packet_id_of(self.acked)
            self._recorder.mark(f"acked {self._connection} {self.acked}")
            self.acked += 1
            data = data[4:]
        return data


def packet_id_of(number: int) -> bytes:
    """The packet id of a message; it is not 0."""
    return (number % 60_000 + 1).to_bytes(2, "big")


class Tables:
    """A client of Timestream's protocol that creates tables, writes to them, deletes some and creates them again."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._step = 0

    def run(self, http: str, stop: threading.Event) -> None:
        """Go on until it is stopped."""
        with httpx.Client(base_url=f"http://{http}", timeout=60) as client:
            while not stop.is_set():
                self._do(client)
                stop.wait(0.02)

    def _do(self, client: httpx.Client) -> None:
        turn, what = divmod(self._step, 6)
        name = f"t{turn % 4}"
        of = {"DatabaseName": "churn", "TableName": name}
        if self._step == 0:
            _ask(client, "CreateDatabase", {"DatabaseName": "churn"})
        if what == 0:
            self._promise(client, f"delete {name}", "DeleteTable" if turn >= 4 else "", of)
            self._promise(client, f"create {name}", "CreateTable", of)
        else:
            records = [
                {
                    "Dimensions": [{"Name": "n", "Value": str(row % 3)}],
                    "MeasureName": "m",
                    "MeasureValue": str(float(self._step)),
                    "MeasureValueType": "DOUBLE",
                    "Time": str(time.time_ns()),
                    "TimeUnit": "NANOSECONDS",
                }
                for row in range(3)
            ]
            self._promise(client, f"write {name} {self._step}", "WriteRecords", {**of, "Records": records})
        self._step += 1

    def _promise(self, client: httpx.Client, mark: str, operation: str, body: dict[str, Any]) -> None:
        if operation:
            self._recorder.mark(f"begin {mark}")
            _ask(client, operation, body)
            self._recorder.mark(f"done {mark}")


def _ask(client: httpx.Client, operation: str, body: dict[str, Any]) -> None:
    """Do it, however often: what was done and not answered is done."""
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"Timestream_20181101.{operation}"}
    answer = None
    deadline = time.monotonic() + LAST_S
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            answer = client.post("/", headers=headers, json=body)
            if answer.status_code == 200 or answer.json().get("__type", "").partition("#")[2] in DONE[operation]:
                return
            if answer.status_code not in {429, 500, 503}:
                break
        time.sleep(0.1)
    raise AssertionError(f"{operation}: {answer and answer.text}")


@dataclass
class ChurnedTable:
    """What is known of a table: whether it exists (None: its creation or deletion had begun), and its rows."""

    exists: bool | None = False
    written: set[int] = field(default_factory=set)
    maybe: set[int] = field(default_factory=set)


@dataclass
class Promises:
    """What the marks up to a cut say."""

    sent: dict[int, int] = field(default_factory=dict)
    acked: dict[int, int] = field(default_factory=dict)
    times_sent: Counter[tuple[int, int]] = field(default_factory=Counter)
    tables: dict[str, ChurnedTable] = field(default_factory=dict)
    start_ms: int = 0

    @classmethod
    def of(cls, records: Iterable[Record]) -> Promises:
        promises = cls()
        for record in records:
            if record.op == "M":
                promises.note(record.data.decode())
        return promises

    def note(self, mark: str) -> None:
        """One more mark."""
        what, *words = mark.split()
        match what:
            case "start":
                self.start_ms = int(words[0])
            case "sent":
                connection, number = map(int, words)
                self.sent[connection] = max(self.sent.get(connection, 0), number + 1)
                self.times_sent[connection, number] += 1
            case "acked":
                self.acked[int(words[0])] = int(words[1]) + 1
            case "begin" | "done":
                self._note_table(what == "done", *words)

    def _note_table(self, is_done: bool, operation: str, name: str, step: str = "0") -> None:
        table = self.tables.setdefault(name, ChurnedTable())
        match operation:
            case "create":
                table.exists = True if is_done else None
            case "delete":
                if is_done:
                    self.tables[name] = ChurnedTable()
                else:
                    table.exists = None
                    table.maybe |= table.written  # a deletion that has begun may remove rows before the table
                    table.written = set()
            case "write":
                (table.written if is_done else table.maybe).add(int(step))

    def messages(self, connection: int, count: int) -> list[Message]:
        """The first messages of a connection."""
        return [Message(connection, number, self.start_ms) for number in range(count)]

    def going_on(self, counts: dict[int, int]) -> tuple[Promises, list[Message]]:
        """The promises after a few more messages of each connection, of which `counts` are in the log; and those."""
        ends = {connection: count + MORE for connection, count in counts.items()}
        more = [
            message
            for connection, end in ends.items()
            for message in self.messages(connection, end)
            if message.number >= counts[connection]
        ]
        sent = self.times_sent + Counter((message.connection, message.number) for message in more)
        return Promises(ends, ends, sent, self.tables, self.start_ms), more
