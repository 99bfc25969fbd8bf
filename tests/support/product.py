"""The whole product as users run it, for tests and benchmarks: `streamgauge up` in a folder, on free ports."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Self

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.base.layout import Layout
from pipeline.operations.client import Client
from tests.support import commands
from tests.support.commands import Begin, Running
from tests.support.waiting import wait_for

START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 60.0
FREE_PORTS = 'listener: {address: "127.0.0.1:0"}\nhttp: {address: "127.0.0.1:0"}\n'


class Product:
    """`streamgauge up` with its data in `folder`/data and its output in `folder`/up.log. A context manager."""

    def __init__(
        self, folder: Path, config: str = FREE_PORTS, *, ca: Path | None = None, begin: Begin | None = None
    ) -> None:
        """With `ca` its HTTP is HTTPS, with a certificate of that authority. `begin`: how `up` is started."""
        self.folder = folder
        self.data_dir = folder / "data"
        self.output = folder / "up.log"
        self.config_file = folder / "streamgauge.yaml"
        self.config_file.write_text(config)
        self._begin = begin
        self._process: Running | None = None
        self._ca = ca
        self.mqtt = self.http = ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop(signal.SIGKILL)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it responds."""
        Layout(self.data_dir).up_state.unlink(missing_ok=True)
        options = ("--config", str(self.config_file), "--data-dir", str(self.data_dir))
        self._process = (self._begin or commands.begin)(("up", *options), self.output)
        wait_for(self._is_ready, f"the product in {self.folder} answers", timeout_s=START_TIMEOUT_S)

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"up ended with {self._process.returncode}:\n{self.output.read_text()}")
        try:
            state = json.loads(Layout(self.data_dir).up_state.read_bytes())
            self.mqtt, self.http = state["mqtt"], state["http"]
            return self.is_answering()
        except (FileNotFoundError, ValueError):
            return False

    def is_answering(self) -> bool:
        """Whether it reports over HTTP that it is ready."""
        try:
            with self.client() as client:
                client.get("readyz")
        except (ServerUnreachable, ServerRefused):
            return False
        return True

    def client(self, token: str | None = None) -> Client:
        """A client for its HTTP."""
        return Client(f"{'https' if self._ca else 'http'}://{self.http}", token, self._ca)

    def pid(self, name: str) -> int:
        """The pid of the child `gateway` (`gateway-1` …) or `worker` of `up`, which may just have ended."""
        state = json.loads(Layout(self.data_dir).up_state.read_bytes())
        return int(state["children"][name] or 0)

    def kill(self, name: str) -> None:
        """SIGKILL the child `gateway` or `worker`, and return when `up` has restarted it."""
        killed = wait_for(lambda: self.pid(name), f"a {name} to kill")
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: self.pid(name) not in (0, killed), f"a new {name}")

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stop it, normally unless specified otherwise; returns its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal_number)
        return self._process.wait(STOP_TIMEOUT_S)
