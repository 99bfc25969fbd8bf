"""What the fault tests share: a sender that keeps account of its PUBACKs, and the questions whose answers are laws.

`Sender` publishes unique ids with QoS 1. An id was acknowledged, or is unknown (sent, no PUBACK seen: it may be stored
or not). The law after every fault is `assert_nothing_lost`: all acknowledged are
stored, each once, and nothing else but unknown ones.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.base.layout import Layout
from pipeline.operations.client import Client
from simulators import packets
from tests.support.product import Product
from tests.support.stopping import stand_still
from tests.support.waiting import wait_for

SENDER = Path(__file__).parents[2] / "benchmarks" / "fast_sender.py"
MOMENTS = Path(__file__).parent / "at_moments"
ROOT = Path(__file__).parents[2]
FIRST_ID = 1_000_000_000
HTTP_ERRORS = (ServerUnreachable, ServerRefused)


def config(tables: int = 1, **sections: Any) -> str:
    """A configuration on free ports, for what `Sender` publishes to so many tables; `sections` are further ones."""
    prefixes = ["fault"] if tables == 1 else [f"fault-{n:02}" for n in range(tables)]
    document = {
        "tables": [
            {
                "name": f"faults.table_{n:02}",
                "topics": f"{prefix}/{{region}}/{{greenhouse}}/{{zone}}/{{sensor}}",
                "time": {"field": "ts", "unit": "ms"},
            }
            for n, prefix in enumerate(prefixes)
        ],
        **sections,
    }
    ports = {"listener": {"address": "127.0.0.1:0"}, "http": {"address": "127.0.0.1:0"}}
    return json.dumps(ports | document)


class Target(Protocol):
    """What `Sender` and `die_at` ask of a product: where it listens, and where files may be left."""

    @property
    def mqtt(self) -> str: ...

    @property
    def folder(self) -> Path: ...


@dataclass(frozen=True)
class At:
    """A broker that is published to in place of the product."""

    mqtt: str
    folder: Path


class Sender:
    """The fast sender as a process, ended with the `with` block. After `result`, `acked` and `unknown` are ids."""

    def __init__(
        self,
        target: Target,
        *,
        seconds: float,
        rate: int,
        tables: int = 1,
        connections: int = 50,
        sensors: int = 5_000,
        drain_s: float = 90,
        name: str = "sender",
        **options: float | str,
    ) -> None:
        self._files = [target.folder / f"{name}-{what}.npy" for what in ("acked", "unknown")]
        self._longest_s = seconds + drain_s + 60
        words: dict[str, object] = {
            "--mqtt": target.mqtt, "--rate": rate, "--seconds": seconds, "--connections": connections,
            "--sensors": sensors, "--tables": tables, "--prefix": "fault", "--drain": drain_s,
            "--acked-ids": self._files[0], "--unknown-ids": self._files[1],
            **{f"--{option.replace('_', '-')}": value for option, value in options.items()},
        }  # fmt: skip
        command = [sys.executable, str(SENDER), "--ids", *(str(word) for option in words.items() for word in option)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.acked = self.unknown = np.zeros(0, np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it without a result."""
        self._process.kill()
        self._process.communicate()

    @property
    def is_running(self) -> bool:
        """Whether it still publishes, or waits for PUBACKs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Publish no more."""
        self._process.send_signal(signal.SIGTERM)

    def result(self) -> dict[str, Any]:
        """What it counted, once it has ended."""
        output, _ = self._process.communicate(timeout=self._longest_s)
        assert self._process.returncode in {0, 1}, output
        self.acked, self.unknown = (np.load(file) for file in self._files)
        result: dict[str, Any] = json.loads(output)
        assert result["acknowledged"] == len(self.acked)
        return result


def ask(client: Client, sql: str) -> pa.Table:
    """The rows of a query."""
    answer = client.post("v1", "query", body={"sql": sql, "format": "arrow"})
    return pa.ipc.open_stream(answer.content).read_all()


def stored_ids(product: Product, tables: int = 1) -> npt.NDArray[np.int64]:
    """The ids in all tables; none while the product does not answer, or has not the tables yet."""
    try:
        with product.client() as client:
            found = [ask(client, f'SELECT id FROM "faults"."table_{n:02}"')["id"] for n in range(tables)]
    except HTTP_ERRORS:
        return np.zeros(0, np.int64)
    return np.concatenate([ids.to_numpy() for ids in found]).astype(np.int64)


def assert_nothing_lost(product: Product, sender: Sender, *, tables: int = 1, timeout_s: float = 60) -> None:
    """What was acknowledged is stored, once, and nothing else but what may be."""
    acked = sender.acked
    assert len(acked) > 0
    wait_for(product.is_answering, "the product has caught up", timeout_s=timeout_s)

    def all_stored() -> list[npt.NDArray[np.int64]]:
        """What is stored, once each of them is: unknown ones may be stored before the last."""
        found = stored_ids(product, tables)
        return [found] if np.setdiff1d(acked, found).size == 0 else []

    what = f"all {len(acked)} acknowledged messages are stored"
    (stored,) = wait_for(all_stored, what, timeout_s=timeout_s, every_s=0.5)
    assert len(stored) == len(np.unique(stored)), "stored twice"
    assert np.setdiff1d(stored, np.concatenate((acked, sender.unknown))).size == 0, "stored, and never sent"


def connect_code(product: Product) -> int | None:
    """The return code with which a new MQTT 3.1.1 CONNECT is answered; None if there was no answer."""
    host, _, port = product.mqtt.rpartition(":")
    try:
        with closing(socket.create_connection((host, int(port)), timeout=5)) as connection:
            connection.sendall(packets.connect("fault-probe", level=4, keep_alive_s=30, username=None, password=None))
            answer = connection.recv(4)
    except OSError:
        return None
    return answer[3] if len(answer) == 4 else None


def rss_bytes(product: Product, name: str) -> int:
    """The resident memory of a child."""
    return int(psutil.Process(product.pid(name)).memory_info().rss)


def up_pid(product: Product) -> int:
    """The pid of `up` itself."""
    return int(json.loads(Layout(product.data_dir).up_state.read_bytes())["pid"])


def descendants(pid: int) -> list[psutil.Process]:
    """All processes below `pid`."""
    return psutil.Process(pid).children(recursive=True)


@contextmanager
def stopped(product: Product, name: str) -> Iterator[int]:
    """The child is SIGSTOPped within the block, and goes on after it; its pid."""
    pid = wait_for(lambda: product.pid(name), f"a {name} to stop")
    stand_still(pid)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def hasty(folder: Path, **settings: str) -> Iterator[None]:
    """Within the block products started have upkeep every moment, and die where `die_at` says (`at_moments/`)."""
    path = os.pathsep.join(filter(None, (str(MOMENTS), str(ROOT), os.environ.get("PYTHONPATH"))))
    wanted = {"PYTHONPATH": path, "FAULT_FOLDER": str(folder), **settings}
    kept = {name: os.environ.get(name) for name in wanted}
    os.environ |= wanted
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def die_at(product: Target, moment: str, *, timeout_s: float = 240) -> int:
    """The process that next comes to `moment` kills itself there by SIGKILL; its pid, once that has happened."""
    struck, order, aside = (product.folder / name for name in ("struck", "die-at", "die-at.new"))
    struck.unlink(missing_ok=True)
    aside.write_text(moment)
    aside.rename(order)

    def who() -> int:
        pid, _, at = struck.read_text().rstrip("\n").partition(" ") if struck.exists() else ("0", "", "")
        return int(pid) if at == moment else 0

    return wait_for(who, f"a process comes to the moment {moment!r}", timeout_s=timeout_s, every_s=0.01)


def publish_for(seconds: float) -> None:
    """Let the load run: the duration is what is under test, not a wait for something."""
    time.sleep(seconds)
