"""Appends the records of transitions of alerts to [readings], as a client's WriteRecords would be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pipeline.alerting.archive.transition import Transition
from pipeline.alerting.history import record_of, table_of
from pipeline.base.arrival import ArrivalStamps, host_stamps
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.log import Appender
from pipeline.log.topics import READINGS
from pipeline.worker.answering import PartitionChoice
from store.endpoint.payload import WriteRecord, encode_write


class AlertHistory:
    """The way into the store. Used from one event loop; `start` it first."""

    def __init__(self, appender: Appender, choice: PartitionChoice, stamps: ArrivalStamps | None = None) -> None:
        self._appender = appender
        self._choice = choice
        self._stamps = stamps or host_stamps()

    async def start(self) -> None:
        """Open the log."""
        await self._appender.start()

    async def stop(self) -> None:
        """Close it."""
        await self._appender.stop()

    async def record(self, transitions: Sequence[Transition]) -> None:
        """Return when the records are durable in the log. Raises LogFull, LogError."""
        parts: dict[tuple[str, int], list[WriteRecord]] = {}
        for transition in transitions:
            record = record_of(transition)
            partition = self._choice.of_record(table_of(transition.account), record)
            parts.setdefault((transition.account, partition), []).append(record)
        await asyncio.gather(*(self._append(account, number, of) for (account, number), of in parts.items()))

    async def _append(self, account: str, partition: int, records: Sequence[WriteRecord]) -> None:
        table = table_of(account)
        payload = encode_write(table.database, table.table, records)
        frame = encode_frame(FrameKind.WRITE_RECORDS, [self._stamps.take()], [account], [""], [payload])
        await self._appender.append(READINGS, frame, partition)
