"""`up` as a process of its own, over children that only listen: what the laws of the supervisor are tried on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE_S = 60.0

# A child: listens with SO_REUSEPORT, says its name, and at SIGTERM writes when it ended and goes. What it does at a
# signal is settled before it listens, by which `up` knows that it is ready.
CHILD = """
import os, signal, socket, sys, time
name, host, port, journal, *more = sys.argv[1:]
name = more[1] if more else name  # --name NAME
def end(*_):
    with open(journal, "a") as file:
        file.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
server = socket.create_server((host, int(port)), reuse_port=True)
print(name, "listens", flush=True)
while True:
    time.sleep(60)
"""

UP = """
import sys
from pathlib import Path
from pipeline.base.quantities import parse_address
from pipeline.base.layout import Layout
from pipeline.operations.supervisor.supervisor import Addresses, Plan, supervise
from pipeline.base.errors import PipelineError
data_dir, mqtt, http, gateway, worker, journal, gateway_stop_s, gateways = sys.argv[1:]
def command(name, code, address):
    return (sys.executable, "-c", code, name, address.host, str(address.port), journal)
plan = Plan(
    Layout(Path(data_dir)), Addresses(parse_address(mqtt), parse_address(http)),
    gateway=lambda at: command("gateway", gateway, at.mqtt),
    worker=lambda at: command("worker", worker, at.http),
    gateway_stop_s=float(gateway_stop_s),
    gateways=int(gateways),
)
try:
    sys.exit(supervise(plan, lambda line: print(line, flush=True)))
except PipelineError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@dataclass
class Up:
    """A running `up` on a folder."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    journal: Path
    log: Path

    def state(self) -> dict[str, Any]:
        """What up.json says; empty before it is there."""
        try:
            state: dict[str, Any] = json.loads((self.data_dir / "run" / "up.json").read_bytes())
        except FileNotFoundError:
            return {}
        return state

    def wait_ready(self) -> dict[str, Any]:
        """The state, once both children listen."""
        until(lambda: self._is_ready() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()
        return self.state()

    def _is_ready(self) -> bool:
        state = self.state()
        return state.get("ready") is True and state["pid"] == self.process.pid

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


Starter = Callable[..., Up]


def until(condition: Callable[[], object]) -> None:
    """Return once `condition` holds; fail after the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "not within the deadline"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process of this pid runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
