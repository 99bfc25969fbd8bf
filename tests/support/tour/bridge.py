"""Devices of a broker: what it took is stored while it keeps its promise, what we acknowledged also when it dies."""

from __future__ import annotations

import json
import signal
import threading

import numpy as np
import numpy.typing as npt

from tests.support.fault_kit import FIRST_ID, At, Sender, publish_for
from tests.support.mosquitto import Mosquitto, Relay
from tests.support.tour.deployment import Deployment
from tests.support.tour.witness import Witness, rows
from tests.support.waiting import wait_for

ACCOUNT = 3


class ThroughABroker(Witness):
    """Its connections to us are cut, it is paused and restarted, all with its files; then it is killed, without."""

    def __init__(self, deployment: Deployment, broker: Mosquitto, relay: Relay) -> None:
        super().__init__(deployment)
        self._broker, self._relay = broker, relay
        self._at = At(broker.address, deployment.folder)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failure: BaseException | None = None
        self._sender: Sender | None = None
        self._taken: set[int] = set()
        self._sent: list[npt.NDArray[np.int64]] = []

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        if self._sender is not None:
            self._sender.kill()

    def _run(self) -> None:
        try:
            self._while_it_keeps_its_promise()
            self._when_it_dies()
        except BaseException as error:  # noqa: BLE001  # it is raised by `end`
            self._failure = error

    def _while_it_keeps_its_promise(self) -> None:
        """It is restarted when nobody publishes: Mosquitto forgets a shared subscription until its members are back."""
        with self._publishing("kept", FIRST_ID) as kept:
            for disturb in (self._relay.cut, self._pause, self._relay.cut, self._pause):
                publish_for(2)
                disturb()
            publish_for(2)
            self._has_sent(kept)
        self._relay.cut()
        self._broker.restart()
        self._taken = set(kept.acked.tolist())
        what = f"the broker hands over all {len(self._taken)} messages that it took"
        wait_for(lambda: self._taken <= self._acknowledged(), what, timeout_s=120, every_s=0.5)

    def _when_it_dies(self) -> None:
        before = self._acknowledged()
        with self._publishing("killed", FIRST_ID + 1_000_000) as killed:
            publish_for(1.5)
            self._broker.restart(signal.SIGKILL)
            wait_for(lambda: self._acknowledged() - before, "messages of the second load come", timeout_s=120)
            self._has_sent(killed)

    def _publishing(self, name: str, first_id: int) -> Sender:
        self._sender = Sender(
            self._at, seconds=36_000, name=name, rate=500, connections=10, sensors=1_000, first_id=first_id,
            prefix="bridged",
        )  # fmt: skip
        return self._sender

    def _has_sent(self, sender: Sender) -> None:
        sender.stop()
        sender.result()
        self._sent += [sender.acked, sender.unknown]

    def _pause(self) -> None:
        self._broker.pause()
        publish_for(1)
        self._broker.go_on()

    def _acknowledged(self) -> set[int]:
        """The ids that we have acknowledged to the broker."""
        return {int(json.loads(payload)["id"]) for payload in self._relay.acknowledged()}

    def _stored(self) -> list[int]:
        return [int(row["id"]) for row in rows(self.deployment, ACCOUNT, 'SELECT id FROM "tour"."bridged"')]

    def check(self) -> None:
        acknowledged = self._acknowledged()
        stored = wait_for(self._stored, "an answer")
        assert self._taken <= set(stored), "a message that the broker took, which kept its promise, is not stored"
        assert acknowledged <= set(stored), "a message that we acknowledged to the broker is not stored"
        assert len(stored) == len(set(stored)), "a message of the broker is stored twice"
        assert set(stored) <= set(np.concatenate(self._sent).tolist()), "a message is stored that was never sent"
