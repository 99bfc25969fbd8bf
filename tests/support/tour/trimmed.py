"""The log is trimmed while everything is killed, and never above a low watermark."""

from __future__ import annotations

from contextlib import closing

from pipeline.base.errors import LogUnavailable
from pipeline.log import open_admin
from pipeline.log.topics import READINGS
from tests.support.tour.deployment import Deployment
from tests.support.tour.witness import BusyWitness
from tests.support.waiting import wait_for


class Trimmed(BusyWitness):
    """Looks at where each partition of [readings] begins, and up to where store and rules have saved it."""

    every_s = 0.5

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self._above: list[tuple[int, int, int]] = []
        self._firsts: dict[int, int] = {}

    def act(self) -> None:
        try:
            self._firsts = self._where_they_begin()
        except LogUnavailable:  # Kafka is killed, too
            return
        for partition, first in self._firsts.items():
            # watermarks only rise: what is read after the beginning is at least as high as it was then
            if first > (low := self._low_watermark(partition)):
                self._above.append((partition, first, low))

    def _where_they_begin(self) -> dict[int, int]:
        with closing(open_admin(self.deployment.log())) as admin:
            return {n: admin.extent(READINGS, n).first for n in range(admin.partitions_of(READINGS))}

    def _low_watermark(self, partition: int) -> int:
        lowest = []
        for what in ("floor", "rules/floor"):
            found = [int(path.name) for path in self.deployment.state.glob(f"*/{READINGS}/{partition}/{what}/*")]
            lowest.append(max(found, default=0))
        return min(lowest)

    def end(self) -> None:
        super().end()
        wait_for(lambda: min(self._where_they_begin().values()) > 0, "each partition of the log is trimmed")

    def check(self) -> None:
        assert self._firsts, "nobody looked at the log"
        above = self._above[:3]
        assert above == [], f"the log was trimmed above a low watermark (partition, begins at, low watermark): {above}"
