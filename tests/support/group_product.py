"""Gateways and workers on one Kafka, each in its own process as on several machines, restarted when they end.

The gateways share a port. Each worker has its own data_dir; the magnetic tier is one folder, or as configured.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.base.ports import reserve
from pipeline.base.quantities import Address
from pipeline.operations.client import Client
from tests.support import commands
from tests.support.commands import Running
from tests.support.product import START_TIMEOUT_S, STOP_TIMEOUT_S
from tests.support.stopping import stand_still
from tests.support.waiting import wait_for

RESTART_AFTER_S = 0.2


class Part:
    """One gateway or worker; its output goes to `folder`/`name`.log."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        http: str = "",
        ca: Path | None = None,
        token: str | None = None,
    ) -> None:
        """`http`: a worker's address; with `ca` it is HTTPS, with a certificate of that authority."""
        self.name = name
        self.http = http
        self.output = folder / f"{name}.log"
        self.is_wanted = False
        self._ca = ca
        self._token = token
        self._arguments = arguments
        self._process: Running | None = None
        self._starting = threading.Lock()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; returns at once. From now on `start_again` restarts it whenever it has ended by itself."""
        with self._starting:
            self.is_wanted = True
            self._start()

    def start_again(self) -> None:
        """Restart it if it should run and does not; called from another thread."""
        with self._starting:
            if self.is_wanted and not self.is_running():
                self._start()

    def _start(self) -> None:
        self._process = commands.begin(self._arguments, self.output)

    def kill(self) -> None:
        """SIGKILL; it is not restarted until `start`."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Stop it permanently; returns its exit code."""
        with self._starting:
            self.is_wanted = False
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(STOP_TIMEOUT_S)

    def is_running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and does nothing."""
        stand_still(self.pid)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def client(self, token: str | None = None) -> Client:
        """A client for a worker's HTTP, with this token or the one common to all."""
        return Client(f"{'https' if self._ca else 'http'}://{self.http}", token or self._token, self._ca)

    def is_answering(self) -> bool:
        """Whether a worker reports that it is ready."""
        try:
            with self.client() as client:
                client.get("readyz")
        except (ServerUnreachable, ServerRefused):
            return False
        return True


class GroupProduct:
    """The processes of one configuration. A context manager; `mqtt` is the gateways' address."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        *,
        gateways: int = 2,
        workers: int = 2,
        ca: Path | None = None,
        token: str | None = None,
        mqtt: str | None = None,
    ) -> None:
        """`config` lacks only addresses and folders.

        `mqtt` is an address that the caller has reserved, else a free one is used. With `ca` the workers' HTTP is
        HTTPS, with certificates of that authority. `token` is the token of requests.
        """
        self.folder = folder
        self._stack = ExitStack()
        self.mqtt = mqtt or self._reserve("listener.address")
        listener = {**config.get("listener", {}), "address": self.mqtt}
        self._config = {"magnetic": {"url": str(folder / "magnetic")}, **config, "listener": listener}
        self._ca, self._token = ca, token
        self._numbers = itertools.count()  # of workers
        self.gateways = [self._gateway(number) for number in range(gateways)]
        self.workers = [self._worker() for _ in range(workers)]
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._start_again, daemon=True)
        self._watch.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()
        for part in self.parts:
            if part.is_running():
                part.kill()
        self._stack.close()

    def _start_again(self) -> None:
        """Restart processes that have ended, like systemd with Restart=always."""
        while not self._ended.wait(RESTART_AFTER_S):
            for part in self.parts:
                part.start_again()

    @property
    def parts(self) -> list[Part]:
        """Gateways, then workers."""
        return [*self.gateways, *self.workers]

    @property
    def http(self) -> str:
        """The first worker's address."""
        return self.workers[0].http

    def start(self) -> None:
        """Start everything and wait until every worker responds."""
        for part in self.parts:
            part.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when every worker reports that it is ready, and a gateway listens."""
        try:
            wait_for(self.is_answering, f"the workers in {self.folder} answer", timeout_s=START_TIMEOUT_S)
        except AssertionError as error:
            outputs = [f"{part.name}:\n{part.output.read_text()[-2000:]}" for part in self.parts]
            raise AssertionError("\n".join([str(error), *outputs])) from error

    def is_answering(self) -> bool:
        """Whether every worker reports that it is ready."""
        return all(worker.is_answering() for worker in self.workers)

    def client(self, token: str | None = None) -> Client:
        """A client for the first worker's HTTP."""
        return self.workers[0].client(token)

    def add_worker(self, **sections: Any) -> Part:
        """Start another worker, with its own sections; returns at once."""
        worker = self._worker(**sections)
        self.workers.append(worker)
        worker.start()
        return worker

    def restart(self, part: Part) -> None:
        """SIGKILL it and start it again."""
        part.kill()
        part.start()

    def _gateway(self, number: int) -> Part:
        name = f"gateway-{number}"
        return Part(name, self._arguments("gateway", name, {}), self.folder)

    def _worker(self, **sections: Any) -> Part:
        name = f"worker-{next(self._numbers)}"
        address = self._reserve("http.address")
        http = {**self._config.get("http", {}), "address": address}
        arguments = self._arguments("worker", name, {"http": http, **sections})
        return Part(name, arguments, self.folder, address, self._ca, self._token)

    def _reserve(self, setting: str) -> str:
        owner, address = reserve(Address("127.0.0.1", 0), setting)
        self._stack.enter_context(owner)
        return str(address)

    def _arguments(self, kind: str, name: str, sections: Mapping[str, Any]) -> Sequence[str]:
        file = self.folder / f"{name}.yaml"
        file.write_text(json.dumps({**self._config, **sections}))
        return (kind, "--config", str(file), "--data-dir", str(self.folder / name))
