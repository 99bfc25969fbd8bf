"""Zero loss, seen from outside: what a sender saw acknowledged is stored exactly once, whatever is killed meanwhile."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.operations.client import Client
from tests.support.product import FREE_PORTS, Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]

TABLES = 10
CONNECTIONS = 200
SENSORS = 20_000
SENDER = Path(__file__).parents[2] / "benchmarks" / "fast_sender.py"
CONFIG = (
    FREE_PORTS
    + json.dumps(
        {
            "tables": [
                {
                    "name": f"faults.table_{n:02}",
                    "topics": f"fault-{n:02}/{{region}}/{{greenhouse}}/{{zone}}/{{sensor}}",
                    "time": {"field": "ts", "unit": "ms"},
                }
                for n in range(TABLES)
            ]
        }
    )[1:-1]
)


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with Product(tmp_path, CONFIG) as running:
        yield running


@dataclass
class Sender:
    """The fast sender as a process: QoS 1, unique ids, 5 % late by minutes, 1 % sent again with the same key."""

    folder: Path
    mqtt: str
    seconds: float
    rate: int
    acked: Path = field(init=False)
    unknown: Path = field(init=False)

    def __post_init__(self) -> None:
        self.acked, self.unknown = self.folder / "acked.npy", self.folder / "unknown.npy"
        options = {
            "--mqtt": self.mqtt, "--rate": self.rate, "--seconds": self.seconds, "--connections": CONNECTIONS,
            "--sensors": SENSORS, "--tables": TABLES, "--prefix": "fault", "--accounts": 0, "--late": 0.05,
            "--resend": 0.01, "--acked-ids": self.acked, "--unknown-ids": self.unknown, "--drain": 120,
        }  # fmt: skip
        command = [sys.executable, str(SENDER), "--ids", *(str(word) for option in options.items() for word in option)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def result(self) -> dict[str, int]:
        """What it counted, once it has ended."""
        output, _ = self._process.communicate(timeout=self.seconds + 300)
        assert self._process.returncode in {0, 1}, output
        result: dict[str, int] = json.loads(output)
        return result


def ask(client: Client, sql: str) -> pa.Table:
    answer = client.post("v1", "query", body={"sql": sql, "format": "arrow"})
    return pa.ipc.open_stream(answer.content).read_all()


@dataclass
class Counts(threading.Thread):
    """Counts one table's rows again and again; `falls` and `doubles` are what must stay empty."""

    product: Product
    table: str
    falls: list[tuple[int, int]] = field(default_factory=list)
    doubles: list[tuple[int, int]] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        before = 0
        while not self.stopping.is_set():
            try:
                with self.product.client() as client:
                    sql = f'SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids FROM "faults"."{self.table}"'
                    (row,) = ask(client, sql).to_pylist()
            except (ServerUnreachable, ServerRefused):  # the worker was killed, or replays, or there is no table yet
                self.stopping.wait(0.05)
                continue
            if row["n"] < before:
                self.falls.append((before, row["n"]))
            if row["n"] != row["ids"]:
                self.doubles.append((row["n"], row["ids"]))
            before = row["n"]
            self.asked += 1

    def stop(self) -> None:
        self.stopping.set()
        self.join()


def kill_often(product: Product, kills: int, rng: random.Random) -> None:
    """SIGKILL gateway and worker `kills` times each in random order: at random moments, or while files are written."""
    victims = ["gateway", "worker"] * kills
    rng.shuffle(victims)
    for number, victim in enumerate(victims):
        time.sleep(rng.uniform(0.5, 3))  # the randomness under test, not a wait for something
        if victim == "worker" and number % 2:
            wait_for_a_flush(product)
        product.kill(victim)
    wait_for(product.is_answering, "the product answers after the kills", timeout_s=60)


def wait_for_a_flush(product: Product) -> None:
    """Return while the magnetic tier is being written: a new file lies in it."""
    folder = product.data_dir / "magnetic"
    before = sum(1 for _ in folder.rglob("*"))
    deadline = time.monotonic() + 35
    while time.monotonic() < deadline and sum(1 for _ in folder.rglob("*")) == before:
        time.sleep(0.002)


def test_every_acknowledged_message_is_stored_exactly_once(product: Product, request: pytest.FixtureRequest) -> None:
    """Ten tables, 200 connections, late and repeated messages, SIGKILLs of gateway and worker; counts all the while."""
    kills, rate = request.config.getoption("--fault-kills"), request.config.getoption("--fault-rate")
    sender = Sender(product.folder, product.mqtt, seconds=12.0 * kills, rate=rate)
    counts = [Counts(product, f"table_{n:02}") for n in (0, TABLES - 1)]
    for thread in counts:
        thread.start()
    kill_often(product, kills, random.Random(kills))
    result = sender.result()
    acked, unknown = np.load(sender.acked), np.load(sender.unknown)

    # for each message: unknown ones may be stored before the last
    wait_for(lambda: np.setdiff1d(acked, stored_ids(product)).size == 0, "everything acknowledged is queryable")
    stored = stored_ids(product)
    wait_for(lambda: all(thread.asked > kills for thread in counts), "the counts are asked for often enough")
    for thread in counts:
        thread.stop()

    assert result["acknowledged"] == len(acked) > 0
    assert np.setdiff1d(acked, stored).size == 0, "lost"
    assert len(stored) == len(np.unique(stored)), "stored twice"
    assert np.setdiff1d(stored, np.concatenate((acked, unknown))).size == 0, "stored, and never sent"
    assert [(thread.falls, thread.doubles) for thread in counts] == [([], []), ([], [])]


def stored_ids(product: Product) -> npt.NDArray[np.int64]:
    """The ids in all tables."""
    with product.client() as client:
        tables = [ask(client, f'SELECT id FROM "faults"."table_{n:02}"') for n in range(TABLES)]
    return np.concatenate([table["id"].to_numpy() for table in tables]).astype(np.int64)
