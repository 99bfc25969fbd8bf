"""What a tour does to the product: it is killed in parts and as a whole, paused, and rolled."""

from __future__ import annotations

import json
import random
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import psutil

from pipeline.log.settings import LogSettings
from pipeline.operations.client import Client
from tests.support.at_moments.kill_moments import EMBEDDED_ONLY, moments
from tests.support.fault_kit import HTTP_ERRORS, descendants, die_at, hasty, stopped, up_pid
from tests.support.group_kit import PARTITIONS, shared_out
from tests.support.group_product import GroupProduct, Part
from tests.support.kafka_broker import Broker
from tests.support.ports import kept_ports
from tests.support.product import Product
from tests.support.tour.settings import WORKERS_TOKEN, token
from tests.support.waiting import wait_for

STATE = Path("_streamgauge", "state")
HASTE = {"FAULT_MOST_FLUSHED_ALONE": "8"}  # so that small tables share the pending rows in most passes, and not in all
# each table is one in each partition, and a few are in some of them only
LESS_HASTE = {"FAULT_MOST_FLUSHED_ALONE": "4", "FAULT_FLUSH_AFTER_S": "2", "FAULT_COMMIT_EVERY_S": "0.2"}


KILLED_AT = ("after commit", "checkpoint saved", "merged", "rules saved", "trimming")
TAKEN_OVER_AT = ("after commit", "checkpoint saved")
"""Of a short tour: between any two the next start finds other things. Simulated worlds are killed everywhere."""


class Deployment(ABC):
    """Two gateways and what consumes the log. A context manager."""

    folder: Path
    mqtt: str
    parts: Sequence[str]
    """Names of what can be killed and paused by itself."""
    is_long: bool
    """Whether everything is killed, or of equal parts one, and at some moments."""
    is_rolled: bool = True
    moments: Sequence[str]
    """Where a worker can be told to kill itself."""
    state: Path
    """Where the state of all partitions is kept."""

    @property
    def killed(self) -> Sequence[str]:
        """Which parts are killed by themselves."""
        return self.parts if self.is_long else (self.parts[0], self.parts[-1])

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def kill(self, part: str) -> None:
        """SIGKILL it; the others go on, and it is started again."""

    @abstractmethod
    def kill_everything(self) -> None:
        """SIGKILL all, and start all again."""

    @abstractmethod
    def pause(self, part: str) -> AbstractContextManager[object]:
        """It stands still within the block."""

    @abstractmethod
    def roll(self) -> None:
        """End gracefully what consumes the log, and have it consumed again."""

    def rest(self) -> None:  # noqa: B027  # where one worker is all, it has everything
        """Return once the workers have everything between them: those that are killed in turn never do."""

    @abstractmethod
    def log(self) -> LogSettings:
        """Where the log is."""

    def kill_at(self, moment: str) -> None:
        """A worker kills itself there, and has ended when this returns."""
        pid = die_at(self, moment)
        wait_for(lambda: not psutil.pid_exists(pid), "who killed itself has ended")

    def client(self, account: int) -> Client:
        """Asks any of them for an account."""
        return Client(f"http://{random.choice(self.addresses())}", token(account))

    @abstractmethod
    def addresses(self) -> list[str]:
        """Where questions are answered: any of them."""

    def is_caught_up(self) -> bool:
        """Whether everything in the log is applied."""
        try:
            return not any(self._frames_behind(address) for address in self.addresses())
        except HTTP_ERRORS:
            return False

    def _frames_behind(self, address: str) -> int:
        with Client(f"http://{address}") as client:
            return int(client.get("readyz")["frames_behind"])


class Embedded(Deployment):
    """`streamgauge up` with the embedded log, and ports that stay."""

    parts = ("gateway-1", "gateway-2", "worker")

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, is_long: bool) -> None:
        self.folder = folder
        self.is_long = is_long
        self.moments = moments() if is_long else KILLED_AT
        self._settings = settings
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            mqtt, http = (f"127.0.0.1:{port}" for port in stack.enter_context(kept_ports(2)))
            self.mqtt = mqtt
            stack.enter_context(hasty(self.folder, **HASTE))
            listener = {**self._settings["listener"], "address": mqtt, "gateways": 2}
            settings = {**self._settings, "listener": listener, "http": {**self._settings["http"], "address": http}}
            self.state = self.folder / "data" / "magnetic" / STATE
            self.product = stack.enter_context(Product(self.folder, json.dumps(settings)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def addresses(self) -> list[str]:
        return [self.product.http]

    def log(self) -> LogSettings:
        return LogSettings(f"local://{self.product.data_dir / 'log'}")

    def kill(self, part: str) -> None:
        """`up` says who was killed, and starts none but that one again."""
        others = {name: pid for name, pid in self._whole().items() if name != part}
        self.product.kill(part)
        assert {name: self.product.pid(name) for name in others} == others, f"others restart with {part}"
        assert f"{part} was killed by SIGKILL; starting it again" in self.product.output.read_text()

    def _whole(self) -> dict[str, int]:
        """The pid of each part, once none of them has just died."""

        def alive() -> dict[str, int]:
            pids = {name: self.product.pid(name) for name in self.parts}
            return pids if all(pid and psutil.pid_exists(pid) for pid in pids.values()) else {}

        return wait_for(alive, "all children are alive")

    def kill_everything(self) -> None:
        """`up` is killed, as by the kernel's memory killer; its children end with it."""
        self._end(signal.SIGKILL)
        self.product.start()

    def roll(self) -> None:
        """`up` ends, its children before it, and is started again."""
        code = self._end(signal.SIGTERM)
        assert code == 0, f"up ended with {code}"
        self.product.start()

    def _end(self, number: int) -> int:
        self._whole()
        children = descendants(up_pid(self.product))
        code = self.product.stop(number)
        _, alive = psutil.wait_procs(children, timeout=60)
        assert alive == [], "left by up, which has ended"
        return code

    @contextmanager
    def pause(self, part: str) -> Iterator[None]:
        self._whole()
        with stopped(self.product, part):
            yield


class OnKafka(Deployment):
    """Two gateways and two workers on a Kafka."""

    parts = ("first gateway", "second gateway", "first worker", "second worker")

    def __init__(self, folder: Path, settings: Mapping[str, Any], kafka: Broker, *, is_long: bool) -> None:
        """In a long tour workers are killed at all moments, else at those after which another one goes on."""
        self.folder = folder
        self.is_long = is_long
        self.is_rolled = is_long  # `test_group_on_a_bucket` has a worker that leaves, others one that joins
        self.moments = [at for at in moments() if at not in EMBEDDED_ONLY] if is_long else TAKEN_OVER_AT
        self.state = folder / "magnetic" / STATE
        self._settings = settings
        self._log = kafka.settings(partitions=PARTITIONS)
        self._stack = ExitStack()

    @property
    def killed(self) -> Sequence[str]:
        """See `Deployment`; in a short tour workers kill themselves, each time at another moment."""
        return self.parts if self.is_long else self.parts[:1]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(hasty(self.folder, **LESS_HASTE))
            log = {"url": self._log.url, "partitions": PARTITIONS, "prefix": self._log.prefix, "group": self._log.group}
            settings = {**self._settings, "log": log, "peers": {"token": WORKERS_TOKEN}}
            self.product = stack.enter_context(GroupProduct(self.folder, settings))
            self.mqtt = self.product.mqtt
            self._wait_until_shared_out()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _wait_until_shared_out(self) -> None:
        wait_for(lambda: shared_out(self.product), "each worker has partitions", timeout_s=240)

    def addresses(self) -> list[str]:
        return [worker.http for worker in self.product.workers]

    def log(self) -> LogSettings:
        return self._log

    def is_caught_up(self) -> bool:
        return shared_out(self.product) and super().is_caught_up()

    def _part(self, name: str) -> Part:
        return dict(zip(self.parts, self.product.parts, strict=True))[name]

    def rest(self) -> None:
        self._wait_until_shared_out()

    def kill(self, part: str) -> None:
        self.product.restart(self._part(part))

    def kill_everything(self) -> None:
        for part in self.product.parts:
            part.kill()
        for part in self.product.parts:
            part.start()

    def roll(self) -> None:
        """A third worker joins, then the first one leaves: partitions move twice."""
        self.product.add_worker()
        self._wait_until_shared_out()
        code = self.product.workers[0].end()
        del self.product.workers[0]
        assert code == 0, f"the worker ended with {code}"
        self._wait_until_shared_out()

    @contextmanager
    def pause(self, part: str) -> Iterator[None]:
        paused = self._part(part)
        wait_for(paused.is_running, f"the {part} runs")
        paused.pause()
        try:
            yield
        finally:
            paused.go_on()


def wait_until_caught_up(deployment: Deployment, timeout_s: float = 120) -> None:
    """Return once everything in the log is applied."""
    wait_for(deployment.is_caught_up, "everything in the log is applied", timeout_s=timeout_s)
