"""WriteRecords requests: appended to the log by the HTTP thread, applied by the stream, answered to the client.

The records of a request go to the partitions of their series: one frame for each, identified by partition and offset.
The stream may apply a frame before the appending thread knows its offset, so either side may come first. Outcomes that
nobody requests (a replay after a crash) are removed by age.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, InvalidStateError

import numpy as np
import numpy.typing as npt

from pipeline.base.arrival import ArrivalStamps
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.log import Appender
from pipeline.log.topics import READINGS
from store.endpoint.import_payload import encode_import
from store.endpoint.import_rows import cut, taken
from store.endpoint.payload import Parts, WriteRecord, encode_write
from store.record import Applied, TableId

UNCLAIMED_MAX = 10_000
IMPORT_FRAME_BYTES = 4 << 20  # before compression: with its series it stays far below the limit of a message
ANSWER_TIMEOUT_S = 30.0

PartitionOf = Callable[[TableId, WriteRecord], int]
OutcomeOf = Callable[[int, int], Awaitable[Applied]]


class PendingWrites:
    """Outcomes by offset in one partition, passed from the stream's thread to the HTTP thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: OrderedDict[int, Future[Applied]] = OrderedDict()

    def _of(self, offset: int) -> Future[Applied]:
        with self._lock:
            future = self._outcomes.get(offset)
            if future is None:
                future = self._outcomes[offset] = Future()
                while len(self._outcomes) > UNCLAIMED_MAX:
                    self._outcomes.popitem(last=False)
            return future

    def applied(self, offset: int, outcome: Applied) -> None:
        """The stream has applied the request in the frame at `offset`."""
        # The caller gave up at this moment: nobody waits any more.
        with contextlib.suppress(InvalidStateError):
            self._of(offset).set_result(outcome)

    async def outcome(self, offset: int, timeout_s: float) -> Applied:
        """The outcome of the request at `offset`. Raises TimeoutError if the stream has not applied it in time."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._of(offset)), timeout_s)
        finally:
            with self._lock:
                self._outcomes.pop(offset, None)


class LogWriter:
    """The `store.endpoint.Writer` of this process: appends to the log, and answers when the records are applied."""

    def __init__(
        self,
        appender: Appender,
        outcome_of: OutcomeOf,
        partition_of: PartitionOf,
        stamps: ArrivalStamps,
        admit: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        """`outcome_of` waits for the outcome of the request in the frame at (partition, offset).

        `admit` raises an error if an account may not write so many records now.
        """
        self._appender = appender
        self._outcome_of = outcome_of
        self._partition_of = partition_of
        self._stamps = stamps
        self._admit = admit

    async def write(self, table: TableId, records: Sequence[WriteRecord]) -> Applied:
        """Append the records of one request and wait for their outcomes. Raises LogFull, LogError, TimeoutError, and
        what `admit` raises.
        """
        self._admit(table.account, len(records))
        rows: dict[int, list[int]] = {}
        for row, record in enumerate(records):
            rows.setdefault(self._partition_of(table, record), []).append(row)
        parts = await asyncio.gather(
            *(self._write(table, [records[row] for row in of], partition) for partition, of in rows.items())
        )
        applied = Applied(np.zeros(len(records), np.uint8), np.zeros(len(records), np.int64))
        for of, part in zip(rows.values(), parts, strict=True):
            applied.outcomes[of] = part.outcomes
            applied.existing_version[of] = part.existing_version
        return applied

    async def write_import(self, table: TableId, parts: Parts) -> Applied:
        """The same for rows of an import, which may take several frames for each partition."""
        self._admit(table.account, len(parts.time_ns))
        by_row = self._partitions(table, parts)
        places = [
            (partition, rows)
            for partition in np.unique(by_row).tolist()
            for rows in cut(parts, np.flatnonzero(by_row == partition), IMPORT_FRAME_BYTES)
        ]
        found = await asyncio.gather(*(self._import(table, parts, rows, partition) for partition, rows in places))
        applied = Applied(np.zeros(len(by_row), np.uint8), np.zeros(len(by_row), np.int64))
        for (_, rows), part in zip(places, found, strict=True):
            applied.outcomes[rows] = part.outcomes
            applied.existing_version[rows] = part.existing_version
        return applied

    def _partitions(self, table: TableId, parts: Parts) -> npt.NDArray[np.int64]:
        """The partition of each row."""
        of_series = [
            self._partition_of(table, WriteRecord(dimensions, measure_name, 0, 1, (), zone))
            for measure_name, dimensions, zone in parts.series
        ]
        return np.array(of_series, np.int64)[parts.series_of]

    async def _import(self, table: TableId, parts: Parts, rows: npt.NDArray[np.int64], partition: int) -> Applied:
        payload = await asyncio.to_thread(lambda: encode_import(table.database, table.table, taken(parts, rows)))
        return await self._append(FrameKind.IMPORT, table, payload, partition)

    async def _write(self, table: TableId, records: Sequence[WriteRecord], partition: int) -> Applied:
        payload = encode_write(table.database, table.table, records)
        return await self._append(FrameKind.WRITE_RECORDS, table, payload, partition)

    async def _append(self, kind: FrameKind, table: TableId, payload: bytes, partition: int) -> Applied:
        frame = encode_frame(kind, [self._stamps.take()], [table.account], [""], [payload])
        offset = await self._appender.append(READINGS, frame, partition)
        return await self._outcome_of(partition, offset)
