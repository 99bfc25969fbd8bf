"""What all witnesses of a tour have in common."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any

from tests.support.fault_kit import HTTP_ERRORS, ask
from tests.support.tour.deployment import Deployment


class Witness(ABC):
    """Acts and looks on while the tour goes on; `check` says at the end which law was broken."""

    answers: int | None = None
    """How often it was answered so far; None: it asks nothing while the tour goes on."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    @abstractmethod
    def begin(self) -> None:
        """Start; the deployment answers."""

    @abstractmethod
    def end(self) -> None:
        """Stop, when the kills are over; what was sent is acknowledged or unknown then."""

    @abstractmethod
    def abandon(self) -> None:
        """Leave nothing behind, also after a failure and before `end`."""

    @abstractmethod
    def check(self) -> None:
        """Raise AssertionError, which names the law that was broken. Everything in the log is applied by now."""


class BusyWitness(Witness):
    """Repeats `act` in a thread of its own."""

    every_s = 0.1

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failure: BaseException | None = None

    @abstractmethod
    def act(self) -> None:
        """Do it once."""

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self.stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        self.stopping.set()

    def _run(self) -> None:
        try:
            while not self.stopping.wait(self.every_s):
                self.act()
        except BaseException as error:  # noqa: BLE001  # it is raised by `end`
            self._failure = error


def rows(deployment: Deployment, account: int, sql: str) -> list[dict[str, Any]]:
    """What a query is answered; nothing if it is refused, as while a worker replays, or nobody answers."""
    try:
        with deployment.client(account) as client:
            client.get("readyz")  # refused while it replays
            found: list[dict[str, Any]] = ask(client, sql).to_pylist()
    except HTTP_ERRORS:
        return []
    return found
