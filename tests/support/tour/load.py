"""What several accounts publish: acknowledged is stored, once, and counts do not lie meanwhile."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa

from tests.support.fault_kit import HTTP_ERRORS, Sender, ask
from tests.support.tour.deployment import Deployment
from tests.support.tour.settings import ACCOUNTS
from tests.support.tour.witness import BusyWitness, Witness, rows
from tests.support.waiting import wait_for

CONNECTIONS, SENSORS = 50, 3_000
TABLE = '"faults"."table_00"'


class Load(Witness):
    """The fast sender, 5 % late and 1 % sent again, all the while, as several accounts with a table each."""

    def __init__(self, deployment: Deployment, rate: int) -> None:
        super().__init__(deployment)
        self._rate = rate

    def begin(self) -> None:
        self._sender = Sender(
            self.deployment, seconds=36_000, rate=self._rate, connections=CONNECTIONS, sensors=SENSORS,
            accounts=ACCOUNTS, late=0.05, late_by=30, resend=0.01,
        )  # fmt: skip

    def end(self) -> None:
        self._sender.stop()
        self._sender.result()

    def abandon(self) -> None:
        self._sender.kill()

    def check(self) -> None:
        acked, unknown = self._sender.acked, self._sender.unknown
        assert len(unknown) == 0, f"{len(unknown)} messages were never acknowledged, though devices sent them again"
        wait_for(self._has_all, f"all {len(acked)} acknowledged messages are stored", timeout_s=240, every_s=0.5)
        found = self._stored()
        ids = found["id"].to_numpy()
        assert len(ids) == len(np.unique(ids)), "a message is stored twice"
        assert np.setdiff1d(ids, acked).size == 0, "a message is stored that was never sent"
        owners = [int(region.removeprefix("region-")) % ACCOUNTS for region in found["region"].to_pylist()]
        assert owners == found["account"].to_pylist(), "an account has rows of another one"

    def _has_all(self) -> bool:
        return bool(np.setdiff1d(self._sender.acked, self._stored()["id"].to_numpy()).size == 0)

    def _stored(self) -> pa.Table:
        """Ids, regions and accounts; none while they cannot be asked for."""
        found = []
        try:
            for account in range(ACCOUNTS):
                with self.deployment.client(account) as client:
                    table = ask(client, f"SELECT CAST(id AS BIGINT) AS id, region FROM {TABLE}")
                found.append(table.append_column("account", pa.array([account] * len(table), pa.int64())))
        except HTTP_ERRORS:
            return pa.table({"id": pa.array([], pa.int64())})
        return pa.concat_tables(found)


class Counts(BusyWitness):
    """Counts the rows of two accounts by turns."""

    every_s = 0.5

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self._turns = itertools.cycle((0, ACCOUNTS - 1))
        self._last = [0] * ACCOUNTS
        self._falls: list[tuple[int, int]] = []
        self._doubles: list[tuple[int, int]] = []
        self.answers: int = 0

    def act(self) -> None:
        account = next(self._turns)
        found = rows(self.deployment, account, f"SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids FROM {TABLE}")
        for row in found:
            count, ids = int(row["n"]), int(row["ids"])
            if count < self._last[account]:
                self._falls.append((self._last[account], count))
            if count != ids:
                self._doubles.append((count, ids))
            self._last[account] = count
            self.answers += 1

    def check(self) -> None:
        assert self._falls == [], f"a count fell (before, after): {self._falls[:3]}"
        assert self._doubles == [], f"a message was counted twice (rows, ids): {self._doubles[:3]}"
